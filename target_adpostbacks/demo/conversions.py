"""Fictional conversions of a fictional shop: what a warehouse's table looks like on an ordinary day."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from target_adpostbacks.core.network import Network
from target_adpostbacks.core.settings import examples
from target_adpostbacks.networks import NETWORKS

COLUMNS = {
    "conversion_id": "bigint PRIMARY KEY",
    "event_name": "text",
    "event_id": "text",
    "event_time": "timestamptz",
    "event_source": "text",
    "network": "text",
    **{network.click_ids[0]: "text" for network in NETWORKS.values()},
    "click_time": "timestamptz",
    "email": "text",
    "phone": "text",
    "ip_address": "text",
    "user_agent": "text",
    "country": "text",
    "event_source_url": "text",
    "platform": "text",
    "os_version": "text",
    "app_id": "text",
    "value": "numeric(12, 2)",
    "currency": "text",
    "order_id": "text",
    "campaign_id": "text",
    "campaign_name": "text",
    "consent": "boolean",
    "test": "boolean",
    "updated_at": "timestamptz NOT NULL",
}
"""Column → type in PostgreSQL. The last is what the tap remembers."""
POISONED = {name: f"evt-poisoned-{name}" for name in [*NETWORKS][:4]}
"""Event ids that the sandbox refuses, as a network refuses a conversion that it finds something wrong with.

They are all that is judged where the demo sends again, and a run of five or more that are all refused fails."""
THROTTLED, BROKEN, *_ = [*NETWORKS, *NETWORKS]
FAULTS: Sequence[Mapping[str, Any]] = (
    {"network": THROTTLED, "retry_after": "2", "times": 1},
    {"network": BROKEN, "status": 500, "times": 1},
    *({"refuse_event_id": event_id, "silent": True} for event_id in POISONED.values()),
)
"""What the sandbox does wrong: a 429 with Retry-After, a 500, and batches refused for one bad conversion in them."""

EVENTS = {"view_content": 30, "add_to_cart": 20, "begin_checkout": 10, "purchase": 30, "sign_up": 10}
WITH_VALUE = {"add_to_cart", "begin_checkout", "purchase"}
CAMPAIGNS = ("Autumn runners", "Trail shoes", "Retargeting")
COUNTRIES = {"DE": "EUR", "FR": "EUR", "GB": "GBP", "US": "USD"}
PEOPLE = "ada grace alan edsger barbara donald margaret dennis radia ken frances john".split()
AGENT = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"


WHOLE = 30
"""Characters from which on the example of a click id is a whole one, a GUID for instance, and not how one begins."""

APP = {"event_source": "app", "platform": "android", "os_version": "16", "app_id": "com.example.shop"}
STORE = {"event_source": "offline", "event_name": "purchase"}


TOTAL = 2000
ORGANIC = 200


class Kind(NamedTuple):
    """So many conversions that have something in common."""

    share: int
    network: str | None
    click: type[Network[Any]] | None = None  # whose click id they carry
    change: Mapping[str, Any] = {}
    age_days: float = 0
    known: bool = True  # whether the person is


def kinds(networks: Mapping[str, type[Network[Any]]]) -> list[Kind]:
    """What happens in a shop that advertises on these networks, 2,000 conversions in all."""
    special = [
        Kind(60, None),
        Kind(90, "an affiliate"),
        Kind(1, None, None, {"event_time": None}),
        Kind(1, None, None, {"event_name": ""}),
        *(kind for name, network in networks.items() for kind in _special(name, network)),
    ]
    ordinary = (TOTAL - ORGANIC - sum(kind.share for kind in special)) // len(networks)
    special += [Kind(ordinary, name, network) for name, network in networks.items()]
    return [*special, Kind(TOTAL - sum(kind.share for kind in special), "organic")]


def _special(name: str, network: type[Network[Any]]) -> Iterator[Kind]:
    """What is not the ordinary conversion of a network, which carries its click id and comes in time."""
    configured = {source for source, setting in network.assets.items() if setting in examples(network.settings_type)}
    yield Kind(20, (*network.aliases, name)[0])  # no click id: found by email
    yield Kind(20, None, network)  # the click id says whose it is
    yield Kind(5, name, known=False)  # nothing to find anybody by
    yield Kind(10, name, network, {"consent": False})
    yield Kind(4, name, network, age_days=network.max_age.days + 2)
    if name in POISONED:
        poison = dict.fromkeys(("event_id", "order_id"), POISONED[name])  # whichever the network knows it by
        yield Kind(1, name, network, {"event_name": "purchase", **poison})
    if "app" in configured:
        yield Kind(14, name, network, APP)
    if "offline" in configured:
        yield Kind(10, name, None, STORE)
    if network.takes_tests():
        yield Kind(3, name, network, {"test": True})


def conversions(now: datetime, seed: int = 4) -> list[dict[str, Any]]:
    """2,000 rows of the last four days, in the order in which the warehouse got them."""
    chance = random.Random(seed)  # noqa: S311 - fiction, the same each time
    drawn = [kind for kind in kinds(NETWORKS) for _ in range(kind.share)]
    chance.shuffle(drawn)
    start = now - timedelta(days=4)
    step = (now - timedelta(minutes=10) - start) / len(drawn)
    return [_conversion(number, kind, start + number * step, chance) for number, kind in enumerate(drawn, 1)]


def _conversion(number: int, kind: Kind, happened: datetime, chance: random.Random) -> dict[str, Any]:
    event = chance.choices([*EVENTS], [*EVENTS.values()])[0]
    event = kind.change.get("event_name") or event
    country = chance.choice([*COUNTRIES])
    campaign = chance.choice(CAMPAIGNS)
    priced = event in WITH_VALUE
    row = {
        "conversion_id": 100_000 + number,
        "event_name": event,
        "event_id": f"evt-{chance.getrandbits(40):010x}",
        "event_time": happened - timedelta(days=kind.age_days),
        "event_source": None,
        "network": kind.network,
        **dict.fromkeys(network.click_ids[0] for network in NETWORKS.values()),
        "click_time": None,
        **(_click(kind.click, happened - timedelta(days=kind.age_days, minutes=20), chance) if kind.click else {}),
        **_person(number, kind, country, chance),
        "event_source_url": None
        if kind.change.get("event_source")
        else f"https://shop.example.com/{event.replace('_', '-')}",
        **dict.fromkeys(("platform", "os_version", "app_id")),
        "value": round(chance.lognormvariate(3.6, 0.6), 2) if priced else None,
        "currency": COUNTRIES[country] if priced else None,
        "order_id": f"S-{20_000 + number}" if event == "purchase" else None,
        "campaign_id": f"{kind.click.name}-{CAMPAIGNS.index(campaign)}" if kind.click else None,
        "campaign_name": campaign if kind.click else None,
        "consent": True,
        "test": False,
        "updated_at": happened + timedelta(minutes=5),
        **kind.change,
    }
    return {column: row[column] for column in COLUMNS}


def _click(network: type[Network[Any]], clicked: datetime, chance: random.Random) -> dict[str, Any]:
    return {network.click_ids[0]: _click_id(network.click_id_example, chance), "click_time": clicked}


def _click_id(example: str, chance: random.Random) -> str:
    """Another one in the form of the example; a whole one keeps its length."""
    if len(example) >= WHOLE:
        return f"{example[:-12]}{chance.getrandbits(48):012x}"
    return f"{example}{chance.getrandbits(64)}"


def _person(number: int, kind: Kind, country: str, chance: random.Random) -> dict[str, str | None]:
    if not kind.known:
        return dict.fromkeys(("email", "phone", "ip_address", "user_agent", "country"))
    has_email = kind.click is None or chance.random() < 0.6
    return {
        "email": f"{chance.choice(PEOPLE)}.{number}@example.com" if has_email else None,
        "phone": f"+1415555{chance.randrange(100, 200):04}" if country == "US" and chance.random() < 0.4 else None,
        "ip_address": f"203.0.113.{chance.randrange(1, 255)}",
        "user_agent": AGENT,
        "country": country,
    }


def later(row: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Another conversion of the same person, just now."""
    happened = {"event_time": now, "click_time": None, "updated_at": now}
    return {**row, **happened, "conversion_id": 200_000, "event_id": "evt-later", "order_id": None}


def singer(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The rows as a tap would write them: a schema, records, and state now and then."""
    properties = {column: {"type": ["null", _json_type(kind)]} for column, kind in COLUMNS.items()}
    stream = {"stream": "mart-conversions"}
    yield json.dumps(
        {"type": "SCHEMA", **stream, "schema": {"properties": properties}, "key_properties": ["conversion_id"]}
    )
    for number, row in enumerate(rows, 1):
        yield json.dumps({"type": "RECORD", **stream, "record": row}, default=datetime.isoformat)
        if number % 500 == 0 or number == len(rows):
            seen = {"bookmarks": {stream["stream"]: {"replication_key_value": row["updated_at"]}}}
            yield json.dumps({"type": "STATE", "value": seen}, default=datetime.isoformat)


def _json_type(kind: str) -> str:
    return {"bigint": "integer", "numeric(12,": "number", "boolean": "boolean"}.get(kind.split()[0], "string")
