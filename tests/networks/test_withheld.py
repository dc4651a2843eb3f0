"""What ``match_keys`` does not list is in no request of any network: not raw, not hashed, nowhere."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import quote

import pytest
from conftest import COLUMNS, NOW
from subject import PERSONAL, Subject, every_source, payload_of

from target_adpostbacks.core.disclosure import MATCH_KEYS
from target_adpostbacks.core.preparation import Preparation

IDS = {name: f"Canary-{name}-0001" for name in sorted(COLUMNS.ids)}
IDS |= {"fbc": "fb.1.1795100000000.CanaryCookie", "fbp": "fb.1.1795100000000.5550042199", "fbclid": "CanaryFbclid1"}
PERSON: dict[str, str] = {**PERSONAL, **IDS, "click_id": "Canary-generic-1", "gender": "f", "lead_id": "987600012345"}
COLUMNS_OF_A_PERSON = sorted(name for name in PERSON if name in MATCH_KEYS or name in IDS)
PAGE = "https://shop.example/thanks"


def test_there_is_a_canary_for_every_match_key() -> None:
    assert {*COLUMNS_OF_A_PERSON} == MATCH_KEYS | COLUMNS.ids


def outcome(subject: Subject, source: str, settings: dict[str, Any], record: dict[str, Any]) -> list[Any]:
    """What leaves, and why something does not."""
    account = subject.account_with({**subject.settings, **settings})
    facts = {"app_id": "343200656", "platform": "ios", "value": 9.99, "currency": "EUR", "event_source": source}
    known = {
        "event_name": "purchase",
        "event_id": "evt-1",
        "event_time": "2026-11-20T12:00:00Z",
        "network": subject.name,
    }
    preparation = Preparation({subject.name: [account]}, subject.columns, {subject.name: subject.name})
    result = preparation.prepare({**known, **facts, **record}, NOW, stream="orders")
    assert result.mistakes == ()
    sent = [(postback.envelope, payload_of(postback), postback.facts.match_keys) for postback in result.postbacks]
    return [*sent, [*result.unusable], *((not_sent.reason, not_sent.message) for not_sent in result.not_sent)]


def planted(column: str, value: str) -> dict[str, Any]:
    """A record in which a value stands wherever there is room for one, as it is, spelled otherwise, and hashed."""
    digest = hashlib.sha256(value.lower().encode()).hexdigest()
    pair = f"{column}={quote(value)}" if column in IDS else f"x={quote(value)}"
    within = quote(f"https://other.example/?{pair}", safe="")
    record: dict[str, Any] = {
        "properties": {"hash": digest, "color": "red"},
        "event_source_url": f"{PAGE}?color=red&h={digest}",
        "contents": [{"id": "sku", "quantity": 1}],
    }
    if len(value) > 2:  # a gender or a country's code says nothing by itself
        record["properties"] |= {"note": value, "deep": {"list": [value.upper()]}, value: 1, column: value}
        record["event_source_url"] += f"&{pair}&next={within}#{pair}"
        record |= {"referrer_url": f"https://shop.example/?{pair}&color=red", "landing_url": f"{PAGE}?{pair}"}
        record["search_query"] = value
    if len(value) > 7:
        record["properties"]["said"] = [{"deep": f"it is {value.upper()}"}]
        record["description"] = f"for {value}"
        record["contents"][0]["name"] = f"{value}'s"
    return record


LEFT = {
    "properties": {"color": "red"},
    "event_source_url": f"{PAGE}?color=red",
    "contents": [{"id": "sku", "quantity": 1}],
}
LEFT_OF_URLS = {"referrer_url": "https://shop.example/?color=red", "landing_url": PAGE}


@every_source
@pytest.mark.parametrize("column", COLUMNS_OF_A_PERSON)
def test_a_column_that_is_not_listed_makes_no_difference_to_a_byte(subject: Subject, source: str, column: str) -> None:
    listed = {"match_keys": [name for name in COLUMNS_OF_A_PERSON if name != column]}
    value = PERSON[column]
    others = {name: text for name, text in PERSON.items() if name != column}
    left = {**LEFT, **(LEFT_OF_URLS if len(value) > 2 else {})}
    before = outcome(subject, source, listed, {**others, column: value, **planted(column, value)})
    assert before == outcome(subject, source, {}, {**others, **left})
