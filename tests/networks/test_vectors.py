"""Every row of every network's vectors."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode, urljoin
from uuid import uuid4

import pytest
from conftest import NOW
from subject import PAGE, SOURCES, SUBJECTS, Subject, body_of, every_network, leaves, name_of, network_of, payload_of

from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.answers import JSON, Request, Response, Skip, Verdict
from target_adpostbacks.core.postback import prepare
from target_adpostbacks.core.reasons import REASONS
from target_adpostbacks.core.record import parse
from target_adpostbacks.delivery.access import SignedIn
from target_adpostbacks.delivery.transport import HttpTransport, Transport
from target_adpostbacks.sandbox import Sandbox
from target_adpostbacks.sandbox.networks import SANDBOX_NETWORKS

SKIPPED = {reason.name for reason in REASONS.values() if reason.status == "skipped"}


def rows(table: str) -> list[Any]:
    """Every row of a table, of every network, with an id that says what it is about."""
    return [
        pytest.param(subject, row, id="-".join([str(name_of(subject)), str(n), row.get("field", ""), _about(row)[:60]]))
        for subject in SUBJECTS
        for n, row in enumerate(subject.vectors[table])
    ]


def _about(row: Mapping[str, Any]) -> str:
    return str(row.get("name") or row.get("why") or row.get("reason", "sent"))


def by_source(table: str) -> list[Any]:
    """``table[source][event]`` as (subject, source, event, native)."""
    return [
        (subject, source, event, events[event] if isinstance(events, dict) else event)
        for subject in SUBJECTS
        for source, events in subject.vectors[table].items()
        for event in events
    ]


@every_network
def test_the_limits_are_the_documented_ones(subject: Subject) -> None:
    limits, network = subject.vectors["limits"], subject.network
    assert network.limits(subject.envelope()) == (limits["batch_size"], limits["batch_bytes"])
    if "test_batch_size" in limits:
        test = network.envelope(subject.conversion(test=True))
        assert network.limits(test).events == limits["test_batch_size"]
    assert network.max_ahead == timedelta(seconds=limits["max_ahead_seconds"])
    for source, hours in limits["max_age_hours"].items():
        assert network.age_limit(subject.conversion(event_source=source)) == timedelta(hours=hours), source
        assert network.longest_age >= timedelta(hours=hours), source
    hours = limits["dedup_window_hours"]  # null: never
    assert network.resend_window(subject.conversion()) == (hours and timedelta(hours=hours))
    assert not hours or (network.longest_dedup or timedelta()) >= timedelta(hours=hours)


@pytest.mark.parametrize(("subject", "source", "event", "native"), by_source("standard_events"), ids=name_of)
def test_a_standard_event_passes_unchanged(subject: Subject, source: str, event: str, native: str) -> None:
    assert subject.network.event(subject.conversion(event_name=event, event_source=source)) == native


@pytest.mark.parametrize(("subject", "source", "event", "native"), by_source("events"), ids=name_of)
def test_a_canonical_event_becomes_the_networks_own(
    subject: Subject, source: str, event: str, native: str | None
) -> None:
    conversion = subject.conversion(event_name=event, event_source=source)
    if native is not None:
        assert subject.network.event(conversion) == native
        return
    off = "event_off" if subject.vectors["custom_event"]["allowed"][source] else "unsupported"
    with pytest.raises(Skip) as skip:
        subject.network.event(conversion)
    assert skip.value.reason == off


@every_network
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    "event", ["vip_upgrade", "VIP-Upgrade", "V" * 50, "V" * 51, "V" * 64, "V" * 65, "7th", "a b", "a.b", "é", "a:b"]
)
def test_a_custom_event_follows_the_networks_pattern(subject: Subject, source: str, event: str) -> None:
    rule = subject.vectors["custom_event"]
    conversion = subject.conversion(event_name=event, event_source=source)
    if rule["allowed"][source] and re.fullmatch(rule["pattern"], event):
        sent_as = rule.get("sent_as", event)
        assert subject.network.event(conversion) == (sent_as if isinstance(sent_as, str) else sent_as.get(event, event))
    else:
        with pytest.raises(Skip) as skip:
            subject.network.event(conversion)
        assert skip.value.reason == rule.get("otherwise", "unsupported")


def base_record(subject: Subject, row: Any) -> dict[str, Any]:
    """A record that is sent without the row's field: with what the row puts beside it, and one match key."""
    field, beside = row["field"], row.get("with", {})
    source = row["input"] if field == "event_source" else beside.get("event_source", "web")
    app = (
        ({},) if source not in ("app", "mobile_app") else ({"app_id": "343200656"}, {"app_id": "1", "platform": "ios"})
    )
    keys = (
        *({"email": "base@example.org"}, {subject.network.ids[0]: "base-click"}, {"lead_id": "base-lead"}),
        *({"phone": "+1 415 555 0142"}, {"ip_address": "198.51.100.1", "user_agent": "Base/1.0"}),
    )
    pages: tuple[dict[str, str], ...] = ({}, {"event_source_url": PAGE})  # where a network asks for one
    for event, facts, page, key in itertools.product(("purchase", "lead"), app, pages, keys):
        record = {"event_name": event, "event_source": source, **facts, **page, **key, **beside}
        try:
            prepare(subject.account, subject.conversion(**record), NOW)
        except Skip:
            continue
        if field not in {**facts, **key}:
            return record
    raise AssertionError(f"no record of source {source} is sent without {field}")


def sent_as(normalized: Any, sha256: Any) -> Any:
    """What the network gets: the hash or, where a row has none, the normalized value; of a list, each."""
    if isinstance(sha256, list):
        return [sent_as(*pair) for pair in zip(normalized, sha256, strict=True)]
    return normalized if sha256 is None else sha256


@pytest.mark.parametrize(("subject", "row"), rows("normalize"))
def test_a_row_of_the_kit_is_right_by_itself(subject: Subject, row: Any) -> None:
    """Its form is the documented one, and the hash is that of the normalized text. Nothing of the program is asked."""
    assert {"field", "input", "normalized", "sha256", "why"} <= row.keys()
    assert row.keys() <= {"field", "input", "with", "settings", "normalized", "sha256", "why"}
    listed = isinstance(row["sha256"], list)
    pairs = zip(row["normalized"], row["sha256"], strict=True) if listed else [(row["normalized"], row["sha256"])]
    for normalized, sha256 in pairs:
        assert sha256 in (None, hashlib.sha256(str(normalized).encode()).hexdigest())


def test_the_readme_shows_a_row_of_the_kit() -> None:
    shown = re.search(r"```json\n(.+)\n```", (files("target_adpostbacks") / "vectors" / "README.md").read_text("utf-8"))
    assert shown
    assert json.loads(shown[1]) in [row for subject in SUBJECTS for row in subject.vectors["normalize"]]


@pytest.mark.parametrize(("subject", "row"), rows("normalize"))
def test_a_field_is_normalized_and_hashed_as_documented(subject: Subject, row: Any) -> None:
    field, sent = row["field"], sent_as(row["normalized"], row["sha256"])
    account = subject.account_with({**subject.settings, **row.get("settings", {})})
    base = {
        "event_id": "evt-1",
        "event_time": "2026-11-20T12:00:00Z",
        "network": subject.name,
        **base_record(subject, row),
        "row": 7,
    }
    required = ("event_time", "event_source_url")  # where they are there: another value of theirs makes the difference
    without = {column: value for column, value in base.items() if column != field or column in required}
    before, after = (
        leaves(payload_of(prepare(account, parse(record, subject.columns, ("row",), "rows"), NOW)))
        for record in (without, {**without, field: row["input"]})
    )
    constants = subject.vectors.get("constants", ())
    counts = Counter(map(repr, after.values())), Counter(map(repr, before.values()))
    moved = {text for text in counts[1] if counts[0][text] == counts[1][text]}  # in a list, behind what is new
    added = [
        value
        for path, value in after.items()
        if before.get(path) != value and value not in constants and repr(value) not in moved
    ]
    assert before.keys() <= after.keys()
    if sent is None:
        assert added == []
    elif field == "event_source":
        assert sent in after.values()  # and whatever else a source of that kind brings
    else:
        beside = {*map(str, row.get("with", {}).values())}
        own = [value for value in added if str(value) not in beside]
        assert own == [*leaves(sent).values()] or ("with" in row and sent in (added or after.values()))


@pytest.mark.parametrize(("subject", "row"), rows("match_keys"))
def test_a_record_is_sent_only_with_what_the_network_needs(subject: Subject, row: Any) -> None:
    conversion = parse(row["record"], subject.columns)
    if row["sent"]:
        assert prepare(subject.account, conversion, NOW).payload
        return
    with pytest.raises(Skip) as skip:
        prepare(subject.account, conversion, NOW)
    assert skip.value.reason == row["reason"]
    assert skip.value.reason in SKIPPED
    values = [
        value for column, value in row["record"].items() if column not in ("network", "event_source", "event_name")
    ]
    assert not [value for value in values if len(str(value).strip()) > 3 and str(value) in skip.value.message]


@pytest.mark.parametrize(("subject", "row"), rows("responses"))
def test_an_answer_gets_its_documented_verdicts(subject: Subject, row: Any) -> None:
    headers = {header.lower(): value for header, value in row["headers"].items()}
    body = None if row["body"] == "" else row["body"]
    response = Response(status=row["status"], body=body, headers=headers)
    read = subject.network.outcomes_of_test if row.get("test") else subject.network.outcomes
    outcomes = read(response, row["events"])
    assert [outcome.verdict.name for outcome in outcomes] == row["verdicts"]
    codes = row.get("codes") or [row.get("code")] * row["events"]
    assert [outcome.code for outcome in outcomes] == [code or "" for code in codes]
    refused = [outcome for outcome in outcomes if outcome.verdict is Verdict.REJECTED]
    if row["events"] > 1:
        assert bool(refused and refused[0].shared) == row.get("atomic_retry", False)
    unconfirmed = "unconfirmed" if "unconfirmed" in row["name"] else ""
    assert {outcome.reason for outcome in refused} <= {unconfirmed}
    assert subject.network.retry_after(response) == str(row.get("retry_after_seconds", ""))


def built(subject: Subject, account: Account, row: Any) -> tuple[list[Request], set[str]]:
    """The requests for a row's records, in the order of the first record of each; and why others are not sent."""
    network = network_of(account)
    now = datetime.fromisoformat(row["now"].replace("Z", "+00:00"))
    groups: dict[str, tuple[dict[str, JSON], list[JSON]]] = {}
    skipped: set[str] = set()
    for record in row["records"]:
        try:
            postback = prepare(account, parse(record, subject.columns), now)
        except Skip as skip:
            skipped.add(skip.reason)
            continue
        envelope = postback.envelope
        groups.setdefault(json.dumps(envelope), (envelope, []))[1].append(postback.spliced)
    requests = [
        network.request(envelope, payloads)
        for envelope, queued in groups.values()
        for payloads in batched(queued, network.limits(envelope).events)
    ]
    return requests, skipped


def batched(payloads: Sequence[JSON], most: int) -> Iterator[Sequence[JSON]]:
    return (payloads[start : start + most] for start in range(0, len(payloads), most))


def url_of(request: Request) -> str:
    if request.target:
        return urljoin(request.url, request.target)
    return f"{request.url}?{urlencode(request.query)}" if request.query else request.url


@pytest.mark.parametrize(("subject", "row"), rows("requests"))
def test_a_request_is_the_golden_one(subject: Subject, row: Any) -> None:
    requests, skipped = built(subject, subject.account_with(row["settings"]), row)
    assert {*re.findall(r"\((\w+)\)", row["name"])} & SKIPPED <= skipped
    assert [
        {"method": request.method, "url": url_of(request), "headers": request.headers, "body": body_of(request)}
        for request in requests
    ] == row["expect"]


def transport_for(account: Account) -> Transport:
    """What a run sends the account's requests through."""
    network = network_of(account)
    return SignedIn(network, HttpTransport()) if network.credentials() else HttpTransport()


@pytest.mark.parametrize("subject", [subject for subject in SUBJECTS if subject.name in SANDBOX_NETWORKS], ids=name_of)
def test_the_sandbox_takes_every_golden_request_as_the_network_would(subject: Subject) -> None:
    clock = [NOW]
    with Sandbox(now=lambda: clock[0]) as sandbox:
        for row in subject.vectors["requests"]:
            clock[0] = datetime.fromisoformat(row["now"].replace("Z", "+00:00"))
            account = subject.account_with({**row["settings"], "base_url": sandbox.url})
            assert account.network is not None
            for request in built(subject, account, row)[0]:
                signed = account.network.signed(request, clock[0], uuid4().hex)
                response = transport_for(account)(signed, 60)
                body = body_of(request) or {}  # none of a request that says all in its URL
                count = len(SANDBOX_NETWORKS[subject.name].event_ids(body)) or 1
                is_test = body.get("validateOnly") is True
                read = account.network.outcomes_of_test if is_test else account.network.outcomes
                for outcome in read(response, count):
                    assert outcome.verdict is Verdict.ACCEPTED, f"{row['name']}: {outcome.summary}"
        assert sandbox.received
