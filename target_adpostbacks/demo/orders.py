"""The fictional shop's conversions as orders: what tap-shopify gives of a shop."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from target_adpostbacks.demo.conversions import POISONED
from target_adpostbacks.networks import NETWORKS

SOURCE = "shopify_orders"
SETTINGS: Mapping[str, Any] = {"source": SOURCE, "defaults": {"event_source_url": "https://shop.example.com/"}}
"""What the config says of them: the preset, and the answer to its first question."""
ODD = {
    3: {"financial_status": "pending"},
    7: {"source_name": "shopify_draft_order"},
    11: {"financial_status": "refunded"},
}
"""Of twenty orders, those that are no purchase, by the last figures of their numbers; the eleventh is no more one."""
REFUNDED_IN_PART = 13


def ordered(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The same conversions as purchases, known by the numbers of their orders."""
    return [
        {
            **row,
            "event_name": "purchase",
            "event_id": row["event_id"] if row["event_id"] in POISONED.values() else str(row["conversion_id"]),
        }
        for row in rows
    ]


def order(row: Mapping[str, Any]) -> dict[str, Any]:
    """The order of a conversion."""
    number = row["conversion_id"] % 20
    total = row["value"] or 20 + row["conversion_id"] % 80
    clicks = {network.click_ids[0]: row[network.click_ids[0]] for network in NETWORKS.values()}
    clicks = {name: value for name, value in clicks.items() if value}
    campaign = {name: row[name] for name in ("campaign_id", "campaign_name") if row[name]}
    in_cart = number % 2  # the others are in the first page's address alone
    landing = {**campaign, **({} if in_cart else clicks)}
    refunds = [{"created_at": row["updated_at"]}] if number == REFUNDED_IN_PART else []
    return {
        "id": int(row["event_id"]) if row["event_id"].isdecimal() else row["event_id"],
        "processed_at": row["event_time"],
        "financial_status": "partially_refunded" if refunds else "paid",
        "cancelled_at": None,
        "source_name": "pos" if row["event_source"] == "offline" else "web",
        "total_price": f"{total:.2f}",
        "current_total_price": f"{total / 2 if refunds else total:.2f}",
        "currency": row["currency"] or "EUR",
        "test": row["test"],
        "landing_site": f"/p?{urlencode(landing)}" if landing else "/",
        "note_attributes": [{"name": name, "value": value} for name, value in clicks.items()] if in_cart else [],
        "email": row["email"],
        "phone": row["phone"],
        "browser_ip": row["ip_address"],
        "client_details": {"user_agent": row["user_agent"]},
        "billing_address": {"country_code": row["country"]},
        "line_items": [{"id": row["conversion_id"], "sku": "LAMP", "quantity": 1, "price": f"{total:.2f}"}],
        "refunds": refunds,
        "updated_at": row["updated_at"],
        **ODD.get(number, {}),
    }


def singer(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The orders as the tap writes them."""
    stream = {"stream": "orders"}
    properties: dict[str, Any] = {column: {} for column in order(rows[0])}
    yield json.dumps({"type": "SCHEMA", **stream, "schema": {"properties": properties}, "key_properties": ["id"]})
    for row in rows:
        yield json.dumps({"type": "RECORD", **stream, "record": order(row)}, default=datetime.isoformat)
    seen = {"bookmarks": {"orders": {"replication_key_value": rows[-1]["updated_at"]}}}
    yield json.dumps({"type": "STATE", "value": seen}, default=datetime.isoformat)
