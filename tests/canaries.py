"""Values that must never be seen again: planted in records and config, searched for in all that a run leaves behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from target_adpostbacks.core.settings import examples, secrets
from target_adpostbacks.networks import NETWORKS

SECRETS = {name: f"canary+token/of&{name}=0123456789" for name in NETWORKS}
"""Each network's token, with what is written otherwise in a URL's query."""
SECRET_SETTINGS = {
    name: {
        setting: dict.fromkeys(example, SECRETS[name]) if isinstance(example, dict) else SECRETS[name]
        for setting, example in examples(network.settings_type).items()
        if setting in secrets(network.settings_type)
    }
    for name, network in NETWORKS.items()
}
"""Network → the settings that hold its token."""

ERASURE_KEY = "canary-erasure-key-0123456789abcdef"
"""Of digests, where a run has one."""

PERSONAL: dict[str, Any] = {
    "email": "canary.mail@example.com",
    "phone": "+14155550199",
    "external_id": "canary-external-id",
    "first_name": "Canaryfirst",
    "last_name": "Canarylast",
    "gender": "canarygender",
    "date_of_birth": "1987-06-05",
    "city": "Canarycity",
    "state": "Canarystate",
    "postal_code": "Canaryzip",
    "ip_address": "203.0.113.77",
    "user_agent": "CanaryAgent/1.0",
    "language": "xx-CANARY",
    "advertising_id": "ca4a47ca-a667-48bc-b806-42ecb2b48606",
    "idfv": "ca4a47ca-7d4f-4b7a-9c63-2c6e4b2e8f11",
    **{name: f"Canary-{name}" for network in NETWORKS.values() for name in network.ids},
    "click_id": "Canary-click-id",  # of a tracker
    "fbc": "fb.1.1795100000000.CanaryOld",  # both are dropped in another form
    "fbp": "fb.1.1795100000000.5550042199",
    "lead_id": "canary-lead",
    "anonymous_id": "canary-anonymous",
    "event_source_url": "https://example.com/canary-page",
    "referrer_url": "https://example.com/canary-referrer",
    "landing_url": "https://example.com/canary-landing?ttclid=CanaryLanding",
    "search_query": "canary search",
    "description": "canary description",
    "properties": {"note": "canary-property"},
    "unknown_column": "canary-unknown",
}
CANARIES = [
    *SECRETS.values(),
    ERASURE_KEY,
    *(value for value in PERSONAL.values() if isinstance(value, str)),
    "CanaryLanding",
    "canary-property",
    "canary.mail",
    "4155550199",
]


def left_behind(folder: Path, *outputs: str) -> str:
    """All that a run wrote, in lower case: its output and every file in its folder but its config."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "config.json"]
    return ("".join(outputs) + "".join(path.read_bytes().decode("utf-8", "replace") for path in files)).lower()


def canaries_in(text: str) -> list[str]:
    """Those that are in a text that ``left_behind`` gave; ``canary`` stands for any other form of one."""
    return [canary for canary in [*CANARIES, "canary"] if canary.lower() in text]
