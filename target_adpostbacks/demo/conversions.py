"""Fictional conversions of a fictional shop: what a warehouse's table looks like on an ordinary day."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

COLUMNS = {
    "conversion_id": "bigint PRIMARY KEY",
    "event_name": "text",
    "event_id": "text",
    "event_time": "timestamptz",
    "event_source": "text",
    "network": "text",
    "ttclid": "text",
    "rdt_cid": "text",
    "fbclid": "text",
    "sc_click_id": "text",
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
POISONED = {
    "tiktok": "evt-poisoned-t",
    "reddit": "evt-poisoned-r",
    "meta": "evt-poisoned-m",
    "snapchat": "evt-poisoned-s",
}
"""Event ids that the sandbox refuses, as a network refuses a conversion that it finds something wrong with."""
FAULTS: Sequence[Mapping[str, Any]] = (
    {"network": "tiktok", "retry_after": "2", "times": 1},
    {"network": "reddit", "status": 500, "times": 1},
    *({"refuse_event_id": event_id, "silent": True} for event_id in POISONED.values()),
)
"""What the sandbox does wrong: a 429 with Retry-After, a 500, and batches refused for one bad conversion in them."""

EVENTS = {"view_content": 30, "add_to_cart": 20, "begin_checkout": 10, "purchase": 30, "sign_up": 10}
WITH_VALUE = {"add_to_cart", "begin_checkout", "purchase"}
CAMPAIGNS = {
    "tiktok": [("1791", "Autumn runners"), ("1792", "Spark ads: creators")],
    "reddit": [("t2_c81", "r/running takeover"), ("t2_c82", "Retargeting")],
    "snapchat": [("c7f0", "Lens: try them on"), ("c7f1", "Story ads: autumn")],
    "meta": [("1202", "Advantage+ shopping"), ("1203", "Reels: trail shoes")],
}
COUNTRIES = {"DE": "EUR", "FR": "EUR", "GB": "GBP", "US": "USD"}
PEOPLE = "ada grace alan edsger barbara donald margaret dennis radia ken frances john".split()
AGENT = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"


APP = {"event_source": "app", "platform": "android", "os_version": "16", "app_id": "com.example.shop"}
STORE = {"event_source": "offline", "event_name": "purchase"}


class Kind(NamedTuple):
    """So many conversions that have something in common."""

    share: int
    network: str | None
    click: str | None = None  # whose click id they carry
    change: Mapping[str, Any] = {}
    age_days: float = 0
    known: bool = True  # whether the person is


KINDS = (
    Kind(640, "tiktok", "tiktok"),
    Kind(460, "reddit", "reddit"),
    Kind(60, "TikTok Ads"),  # no click id: found by email
    Kind(40, "reddit"),
    Kind(30, "reddit", known=False),  # nothing to find anybody by
    Kind(45, None, "tiktok"),  # the click id says whose it is
    Kind(25, None, "reddit"),
    Kind(60, None),
    Kind(200, "organic"),
    Kind(90, "facebook", "meta"),
    Kind(20, "Instagram"),
    Kind(24, "meta", "meta", APP),
    Kind(20, "meta", None, STORE),
    Kind(90, "google"),
    Kind(44, "tiktok", "tiktok", {"consent": False}),
    Kind(8, "tiktok", "tiktok", {"test": True}),
    Kind(4, "reddit", "reddit", {"test": True}),
    Kind(2, "meta", "meta", {"test": True}),
    Kind(3, "meta", "meta", age_days=9),
    Kind(10, "reddit", "reddit", age_days=9),
    Kind(80, "snapchat", "snapchat"),
    Kind(20, "Snap Ads"),
    Kind(14, "snapchat", "snapchat", APP),
    Kind(2, "snapchat", "snapchat", {"test": True}),
    Kind(3, "snapchat", "snapchat", age_days=9),
    Kind(1, "tiktok", "tiktok", {"event_name": "purchase", "event_id": POISONED["tiktok"]}),
    Kind(1, "snapchat", "snapchat", {"event_name": "purchase", "event_id": POISONED["snapchat"]}),
    Kind(1, "reddit", "reddit", {"event_name": "purchase", "event_id": POISONED["reddit"]}),
    Kind(1, "meta", "meta", {"event_name": "purchase", "event_id": POISONED["meta"]}),
    Kind(1, "tiktok", "tiktok", {"event_time": None}),
    Kind(1, "reddit", "reddit", {"event_name": ""}),
)


def conversions(now: datetime, seed: int = 4) -> list[dict[str, Any]]:
    """About 2,000 rows of the last four days, in the order in which the warehouse got them."""
    chance = random.Random(seed)  # noqa: S311 - fiction, the same each time
    kinds = [kind for kind in KINDS for _ in range(kind.share)]
    chance.shuffle(kinds)
    start = now - timedelta(days=4)
    step = (now - timedelta(minutes=10) - start) / len(kinds)
    return [_conversion(number, kind, start + number * step, chance) for number, kind in enumerate(kinds, 1)]


def _conversion(number: int, kind: Kind, happened: datetime, chance: random.Random) -> dict[str, Any]:
    event = chance.choices([*EVENTS], [*EVENTS.values()])[0]
    event = kind.change.get("event_name") or event
    country = chance.choice([*COUNTRIES])
    campaign = chance.choice(CAMPAIGNS.get(kind.click or "", [(None, None)]))
    priced = event in WITH_VALUE
    row = {
        "conversion_id": 100_000 + number,
        "event_name": event,
        "event_id": f"evt-{chance.getrandbits(40):010x}",
        "event_time": happened - timedelta(days=kind.age_days),
        "event_source": None,
        "network": kind.network,
        "ttclid": f"E.C.P.{chance.getrandbits(96):x}" if kind.click == "tiktok" else None,
        "rdt_cid": f"{chance.getrandbits(60)}" if kind.click == "reddit" else None,
        "fbclid": f"IwAR{chance.getrandbits(128):x}" if kind.click == "meta" else None,
        "sc_click_id": f"{chance.getrandbits(128):x}" if kind.click == "snapchat" else None,
        "click_time": happened - timedelta(days=kind.age_days, minutes=20) if kind.click == "meta" else None,
        **_person(number, kind, country, chance),
        "event_source_url": None
        if kind.change.get("event_source")
        else f"https://shop.example.com/{event.replace('_', '-')}",
        **dict.fromkeys(("platform", "os_version", "app_id")),
        "value": round(chance.lognormvariate(3.6, 0.6), 2) if priced else None,
        "currency": COUNTRIES[country] if priced else None,
        "order_id": f"S-{20_000 + number}" if event == "purchase" else None,
        "campaign_id": campaign[0],
        "campaign_name": campaign[1],
        "consent": True,
        "test": False,
        "updated_at": happened + timedelta(minutes=5),
        **kind.change,
    }
    return {column: row[column] for column in COLUMNS}


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


def singer(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The rows as a tap would write them: a schema, records, and state now and then."""
    properties = {column: {"type": ["null", _json_type(kind)]} for column, kind in COLUMNS.items()}
    own = {"stream": "mart-conversions"}
    yield json.dumps(
        {"type": "SCHEMA", **own, "schema": {"properties": properties}, "key_properties": ["conversion_id"]}
    )
    for number, row in enumerate(rows, 1):
        yield json.dumps({"type": "RECORD", **own, "record": row}, default=datetime.isoformat)
        if number % 500 == 0 or number == len(rows):
            seen = {"bookmarks": {own["stream"]: {"replication_key_value": row["updated_at"]}}}
            yield json.dumps({"type": "STATE", "value": seen}, default=datetime.isoformat)


def _json_type(kind: str) -> str:
    return {"bigint": "integer", "numeric(12,": "number", "boolean": "boolean"}.get(kind.split()[0], "string")
