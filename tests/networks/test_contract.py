"""What every network promises, and every row of its vectors file."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlencode

import msgspec
import pytest
from conftest import COLUMNS, NOW

from target_adpostbacks.config import accounts, schema
from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.answers import JSON, Outcome, Request, Response, Skip, Verdict, by_code
from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.network import Limits, Network
from target_adpostbacks.core.postback import Postback, prepare
from target_adpostbacks.core.reasons import REASONS
from target_adpostbacks.core.record import Columns, parse
from target_adpostbacks.core.settings import Settings
from target_adpostbacks.delivery.transport import HttpTransport
from target_adpostbacks.networks import NETWORKS
from target_adpostbacks.sandbox import Sandbox

VECTORS = {
    name: json.loads((Path(__file__).parent / "vectors" / f"{name}.json").read_text("utf-8")) for name in NETWORKS
}
SOURCES = ("web", "app", "offline", "crm")
SKIPPED = {reason.name for reason in REASONS.values() if reason.status == "skipped"}
PERSONAL = {
    "email": "canary.person@example.com",
    "phone": "+1 415 555 0142",
    "external_id": "Canary-Customer-7",
    "first_name": "Canaryfirst",
    "last_name": "Canarylast",
    "gender": "Canarygender",
    "date_of_birth": "1990-05-17",
    "city": "Canarycity",
    "state": "Canarystate",
    "postal_code": "CNR 1AA",
    "country": "LI",
    "ip_address": "203.0.113.77",
    "user_agent": "Canary/5.0",
    "language": "rm_CH",
    "advertising_id": "AAAAAAAA-0000-4000-8000-00000000CAFE",
    "idfa": "BBBBBBBB-0000-4000-8000-00000000CAFE",
    "gaid": "CCCCCCCC-0000-4000-8000-00000000CAFE",
    "idfv": "DDDDDDDD-0000-4000-8000-00000000CAFE",
    "device_model": "CanaryPhone 9",
    "carrier": "Canary Mobile",
    "timezone": "Europe/Vaduz",
    "lead_id": "canary-lead-7",
    "att_status": "AUTHORIZED",
}
PLAIN = {
    "tiktok": {
        *("ip_address", "user_agent", "language", "city", "state", "country"),
        *("idfa", "gaid", "idfv", "advertising_id", "att_status", "lead_id"),
    },
    "reddit": {"ip_address", "user_agent"},
    "meta": {
        *("ip_address", "user_agent", "language", "idfa", "advertising_id", "idfv"),
        *("device_model", "carrier", "timezone"),
    },
    "snapchat": {
        *("ip_address", "user_agent", "idfa", "gaid", "idfv", "advertising_id", "lead_id"),
        *("language", "device_model", "carrier", "timezone"),  # in extinfo
    },
}
"""What each network's documentation wants unhashed; a new network starts with nothing."""


@lru_cache
def settings_of(name: str) -> dict[str, Any]:
    """The settings that the tables of a vectors file presuppose."""
    given: list[dict[str, Any]] = [row["settings"] for row in VECTORS[name]["requests"]]
    return max(given, key=lambda settings: _sources(name, settings))  # the first of those that take most sources


def _sources(name: str, settings: Mapping[str, Any]) -> int:
    network = account_of(name, settings).network
    assert network is not None
    return sum(network.asset(conversion_of(name, event_source=source)) != "" for source in SOURCES)


def account_of(name: str, settings: Mapping[str, Any] | None = None) -> Account:
    (account,) = accounts({name: settings_of(name) if settings is None else settings})[name]
    return account


def network_of(name: str) -> Network[Any]:
    network = account_of(name).network
    assert network is not None
    return network


def conversion_of(name: str, **columns: Any) -> Conversion:
    record = {"event_name": "purchase", "event_id": "evt-1", "event_time": "2026-11-20T12:00:00Z", "network": name}
    return parse({**record, **columns}, COLUMNS)


def envelope_of(name: str) -> dict[str, JSON]:
    return network_of(name).envelope(conversion_of(name))


def payload_of(postback: Postback) -> Any:
    return json.loads(postback.payload)


def sent(request: Request) -> Any:
    return json.loads(msgspec.json.encode(request.body))


def full_conversion(name: str, source: str, **columns: Any) -> Conversion:
    """A conversion with every personal column, and what each kind of source asks for."""
    asked = {"app_id": "343200656", "platform": "ios", "value": 9.99, "currency": "EUR"}
    return conversion_of(
        name, event_source=source, **{**asked, **PERSONAL, network_of(name).ids[0]: "click-1", **columns}
    )


def rows(table: str) -> list[Any]:
    """Every row of a table, of every network, with an id that says what it is about."""
    return [
        pytest.param(name, row, id="-".join(filter(None, [name, row.get("field"), str(index), _about(row)[:60]])))
        for name, vectors in VECTORS.items()
        for index, row in enumerate(vectors[table])
    ]


def _about(row: Mapping[str, Any]) -> str:
    return str(row.get("name") or row.get("why") or row.get("reason", "sent"))


def by_source(table: str) -> list[Any]:
    """``table[source][event]`` as (network, source, event, native)."""
    return [
        pytest.param(name, source, event, events[event] if isinstance(events, dict) else event)
        for name, vectors in VECTORS.items()
        for source, events in vectors[table].items()
        for event in events
    ]


every_network = pytest.mark.parametrize("name", NETWORKS)
every_source = pytest.mark.parametrize("source", SOURCES)


# --- The vectors -----------------------------------------------------------------------------------------------------


@every_network
def test_the_limits_are_the_documented_ones(name: str) -> None:
    limits, network = VECTORS[name]["limits"], network_of(name)
    assert network.limits(envelope_of(name)) == (limits["batch_size"], limits["batch_bytes"])
    assert network.max_ahead == timedelta(seconds=limits["max_ahead_seconds"])
    for source, hours in limits["max_age_hours"].items():
        assert network.age_limit(conversion_of(name, event_source=source)) == timedelta(hours=hours), source
    assert network.dedup_window == timedelta(hours=limits["dedup_window_hours"])


@pytest.mark.parametrize(("name", "source", "event", "native"), by_source("standard_events"))
def test_a_standard_event_passes_unchanged(name: str, source: str, event: str, native: str) -> None:
    assert network_of(name).event(conversion_of(name, event_name=event, event_source=source)) == native


@pytest.mark.parametrize(("name", "source", "event", "native"), by_source("events"))
def test_a_canonical_event_becomes_the_networks_own(name: str, source: str, event: str, native: str | None) -> None:
    conversion = conversion_of(name, event_name=event, event_source=source)
    if native is not None:
        assert network_of(name).event(conversion) == native
        return
    off = "event_off" if VECTORS[name]["custom_event"]["allowed"][source] else "unsupported"
    with pytest.raises(Skip) as skip:
        network_of(name).event(conversion)
    assert skip.value.reason == off


@every_network
@every_source
@pytest.mark.parametrize(
    "event", ["vip_upgrade", "VIP-Upgrade", "V" * 50, "V" * 51, "V" * 64, "V" * 65, "7th", "a b", "a.b", "é", "a:b"]
)
def test_a_custom_event_follows_the_networks_pattern(name: str, source: str, event: str) -> None:
    rule = VECTORS[name]["custom_event"]
    conversion = conversion_of(name, event_name=event, event_source=source)
    if rule["allowed"][source] and re.fullmatch(rule["pattern"], event):
        assert network_of(name).event(conversion) == event
    else:
        with pytest.raises(Skip) as skip:
            network_of(name).event(conversion)
        assert skip.value.reason == "unsupported"


def base_record(name: str, row: Any) -> dict[str, Any]:
    """A record that is sent without the row's field: with what the row puts beside it, and one match key."""
    field, beside = row["field"], row.get("with", {})
    named = re.match(r"(\w+) source:", row["why"])
    source = row["input"] if field == "event_source" else beside.get("event_source", named[1] if named else "web")
    app = (
        ({},) if source not in ("app", "mobile_app") else ({"app_id": "343200656"}, {"app_id": "1", "platform": "ios"})
    )
    keys = (
        *({"email": "base@example.org"}, {network_of(name).ids[0]: "base-click"}, {"lead_id": "base-lead"}),
        {"phone": "+1 415 555 0142"},
    )
    for event, facts, key in itertools.product(("purchase", "lead"), app, keys):
        record = {"event_name": event, "event_source": source, **facts, **key, **beside}
        try:
            prepare(account_of(name), conversion_of(name, **record), NOW)
        except Skip:
            continue
        if field not in {**facts, **key}:
            return record
    raise AssertionError(f"no record of source {source} is sent without {field}")


def leaves(value: Any, path: tuple[Any, ...] = ()) -> dict[tuple[Any, ...], Any]:
    if not isinstance(value, (dict, list)):
        return {path: value}
    members = value.items() if isinstance(value, dict) else enumerate(value)
    return {leaf: own for key, member in members for leaf, own in leaves(member, (*path, key)).items()}


@pytest.mark.parametrize(("name", "row"), rows("normalize"))
def test_a_field_is_normalized_and_hashed_as_documented(name: str, row: Any) -> None:
    """``with``: what stands beside the field; ``settings``: over the usual ones; ``sent: null``: as without it."""
    field, sent = row["field"], row["sent"]
    account = account_of(name, {**settings_of(name), **row.get("settings", {})})
    base = {
        "event_id": "evt-1",
        "event_time": "2026-11-20T12:00:00Z",
        "network": name,
        **base_record(name, row),
        "row": 7,
    }
    without = {column: value for column, value in base.items() if column != field or column == "event_time"}
    before, after = (
        leaves(payload_of(prepare(account, parse(record, COLUMNS, ("row",), "rows"), NOW)))
        for record in (without, {**without, field: row["input"]})
    )
    added = [value for path, value in after.items() if before.get(path) != value]
    assert before.keys() <= after.keys()
    if sent is None:
        assert added == []
    elif field == "event_source":
        assert sent in after.values()  # and whatever else a source of that kind brings
    else:
        own = [value for value in added if value not in row.get("with", {}).values()]
        assert own == [*leaves(sent).values()] or ("with" in row and not own and sent in after.values())


@pytest.mark.parametrize(("name", "row"), rows("match_keys"))
def test_a_record_is_sent_only_with_what_the_network_needs(name: str, row: Any) -> None:
    conversion = parse(row["record"], COLUMNS)
    if row["sent"]:
        assert prepare(account_of(name), conversion, NOW).payload
        return
    with pytest.raises(Skip) as skip:
        prepare(account_of(name), conversion, NOW)
    assert skip.value.reason == row["reason"]
    assert skip.value.reason in SKIPPED
    values = [
        value for column, value in row["record"].items() if column not in ("network", "event_source", "event_name")
    ]
    assert not [value for value in values if len(str(value).strip()) > 3 and str(value) in skip.value.detail]


@pytest.mark.parametrize(("name", "row"), rows("responses"))
def test_an_answer_gets_its_documented_verdicts(name: str, row: Any) -> None:
    headers = {header.lower(): value for header, value in row["headers"].items()}
    body = None if row["body"] == "" else row["body"]
    response = Response(status=row["status"], body=body, headers=headers)
    outcomes = network_of(name).outcomes(response, row["events"])
    assert [outcome.verdict.name for outcome in outcomes] == row["verdicts"]
    assert {outcome.code for outcome in outcomes} == {row.get("code", "")}
    refused = [outcome for outcome in outcomes if outcome.verdict is Verdict.REJECTED]
    if row["events"] > 1:
        assert bool(refused and refused[0].shared) == row.get("atomic_retry", False)
    unconfirmed = "unconfirmed" if "unconfirmed" in row["name"] else ""
    assert {outcome.reason for outcome in refused} <= {unconfirmed}
    assert network_of(name).retry_after(response) == str(row.get("retry_after_seconds", ""))


def built(account: Account, row: Any) -> tuple[list[Request], set[str]]:
    """The requests for a row's records, in the order of the first record of each; and why others are not sent."""
    assert account.network is not None
    now = datetime.fromisoformat(row["now"].replace("Z", "+00:00"))
    groups: dict[str, tuple[dict[str, JSON], list[JSON]]] = {}
    skipped: set[str] = set()
    for record in row["records"]:
        try:
            postback = prepare(account, parse(record, COLUMNS), now)
        except Skip as skip:
            skipped.add(skip.reason)
            continue
        envelope = postback.envelope
        groups.setdefault(json.dumps(envelope), (envelope, []))[1].append(msgspec.Raw(postback.payload))
    return [account.network.request(envelope, payloads) for envelope, payloads in groups.values()], skipped


def url_of(request: Request) -> str:
    return f"{request.url}?{urlencode(request.query)}" if request.query else request.url


@pytest.mark.parametrize(("name", "row"), rows("requests"))
def test_a_request_is_the_golden_one(name: str, row: Any) -> None:
    requests, skipped = built(account_of(name, row["settings"]), row)
    assert {*re.findall(r"\((\w+)\)", row["name"])} & SKIPPED <= skipped
    assert [
        {"method": request.method, "url": url_of(request), "headers": request.headers, "body": sent(request)}
        for request in requests
    ] == row["expect"]


@every_network
def test_the_sandbox_takes_every_golden_request_as_the_network_would(name: str) -> None:
    clock = [NOW]
    with Sandbox(now=lambda: clock[0]) as sandbox:
        for row in VECTORS[name]["requests"]:
            clock[0] = datetime.fromisoformat(row["now"].replace("Z", "+00:00"))
            account = account_of(name, {**row["settings"], "base_url": sandbox.url})
            assert account.network is not None
            for request in built(account, row)[0]:
                response = HttpTransport()(request, 10)
                (outcome, *_) = account.network.outcomes(response, 1)
                assert outcome.verdict is Verdict.ACCEPTED, f"{row['name']}: {outcome.said}"
        assert sandbox.received


# --- The promises ----------------------------------------------------------------------------------------------------


@every_network
@every_source
@pytest.mark.parametrize("column", PERSONAL)
def test_no_raw_match_key_is_in_the_bytes_sent(name: str, source: str, column: str) -> None:
    postback = prepare(account_of(name), full_conversion(name, source), NOW)
    request = network_of(name).request(postback.envelope, [msgspec.Raw(postback.payload)])
    bytes_sent = msgspec.json.encode([request.body, request.url, request.headers]).decode().lower()
    raw = PERSONAL[column].lower()
    digits = "".join(filter(str.isdigit, raw)) if column == "phone" else raw
    folded = "".join(filter(str.isalnum, raw)) if len(raw) > 4 else raw
    if column not in PLAIN.get(name, set()):
        assert f'"{raw}"' not in bytes_sent
        assert len(raw) < 5 or not [form for form in (raw, digits, folded) if form in bytes_sent]


@every_network
@every_source
def test_equal_input_gives_equal_bytes(name: str, source: str) -> None:
    conversion = full_conversion(name, source)
    first, second = (prepare(account_of(name), conversion, NOW) for _ in range(2))
    assert first.payload == second.payload
    assert list(first.envelope.items()) == list(second.envelope.items())


@every_network
def test_a_payload_holds_no_null_and_no_empty_text(name: str) -> None:
    properties = {"note": "", "tags": [None, "", {}], "deep": {"a": None, "b": {"c": ""}}, "kept": [0, False, "x"]}
    items = [{"id": "1", "name": "", "price": 0}, {"name": "gift"}, {}]
    for source in SOURCES:
        conversion = full_conversion(name, source, properties=properties, contents=items, email=["", "no address"])
        payload = payload_of(prepare(account_of(name), conversion, NOW))
        holes = [path for path, value in leaves(payload).items() if value is None or value == ""]
        assert not [path for path in holes if "extinfo" not in path]  # its entries are known by their place


@every_network
@pytest.mark.parametrize("status", [200, 204, 302, 400, 401, 404, 429, 500])
@pytest.mark.parametrize(
    "body",
    [
        *(None, "", "   ", "<html></html>", [], [[]], [None], {}, {"a": {"b": [{}]}}, 0, 0.5, True, 10**30),
        *({"code": None}, {"code": {}}, {"code": []}, {"code": True}, {"code": 10**4000}, {"code": "9" * 5000}),
        *({"code": "²"}, {"code": 1, "message": None}, {"code": 40002, "message": "data." + "9" * 5000}),
        *({"error": None}, {"error": []}, {"error": "no"}, {"error": {"code": None, "message": 10**4000}}),
        *({"message": "processed " + "9" * 5000 + " events"}, {"message": 7, "invalid_events": [None]}),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_an_answer_that_makes_no_sense_is_never_accepted(name: str, status: int, body: Any) -> None:
    silent = status < 300 and (body is None or (isinstance(body, str) and not body.strip()))
    for count in (1, 3):
        outcomes = network_of(name).outcomes(Response(status=status, body=body), count)
        assert len(outcomes) == count
        accepted = Verdict.ACCEPTED in {outcome.verdict for outcome in outcomes}
        assert accepted == (silent and takes_silence_for_success(name))


def takes_silence_for_success(name: str) -> bool:
    """Whether the network is documented to accept without a word."""
    silent = [row for row in VECTORS[name]["responses"] if row["body"] == "" and row["status"] < 300]
    return any(set(row["verdicts"]) == {"ACCEPTED"} for row in silent)


@every_network
@pytest.mark.parametrize("unlisted", [1, 12345, 99999999, "E_UNKNOWN", "-1", "00", 0.5])
def test_a_code_that_nobody_knows_is_never_taken_for_success(name: str, unlisted: Any) -> None:
    accepted = next(row["body"] for row in VECTORS[name]["responses"] if set(row["verdicts"]) == {"ACCEPTED"})
    for code in ({"code": unlisted}, {"error": {"code": unlisted, "message": "no"}}):
        response = Response(status=200, body={**accepted, **code})
        if network_of(name).error(response.body)[0] == str(unlisted):
            assert network_of(name).outcomes(response, 1)[0].verdict is not Verdict.ACCEPTED


@every_network
def test_every_listed_code_has_a_row_in_the_vectors(name: str) -> None:
    """Of codes that follow one another and mean the same, the first and the last."""
    codes = network_of(name).codes
    listed = {int(code): verdict for code, verdict in codes.items() if code.lstrip("-").isdecimal()}
    inside = {str(code) for code, verdict in listed.items() if listed.get(code - 1) == listed.get(code + 1) == verdict}
    rows = {str(row.get("code")) for row in VECTORS[name]["responses"]}
    assert codes.keys() - inside <= rows | {code.partition("/")[0] for code in rows}


@every_network
def test_advice_is_about_an_answer_that_is_known_and_bad(name: str) -> None:
    network = network_of(name)
    for code in network.advice:
        verdicts = {
            verdict
            for row in VECTORS[name]["responses"]
            if code in (row.get("code"), str(row["status"]), str(row.get("code")).partition("/")[0])
            for verdict in row["verdicts"]
        }
        assert verdicts - {"ACCEPTED"}, code


@every_network
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_nobodys_verdict(name: str, status: int) -> None:
    response = Response(status=status, body=None, headers={"location": "https://example.net/"})
    assert network_of(name).outcomes(response, 2)[0].verdict is Verdict.TRANSIENT


@every_network
def test_secrets_are_marked_and_stay_out_of_the_url(name: str) -> None:
    properties = schema()["properties"][name]["properties"]
    looks_secret = {field for field in properties if re.search(r"token|secret|password|api_key", field)}
    assert looks_secret
    assert all(properties[field].get("secret") and properties[field].get("writeOnly") for field in looks_secret)
    request = network_of(name).request(envelope_of(name), [{}])
    for field in looks_secret & settings_of(name).keys():
        assert settings_of(name)[field] not in request.url
        assert settings_of(name)[field] in account_of(name).secrets


@every_network
@pytest.mark.parametrize("full", [False, True], ids=["one payload", "a full batch"])
def test_encoded_payloads_are_spliced_into_the_body(name: str, full: bool) -> None:
    network = network_of(name)
    limits = network.limits(envelope_of(name))
    count = limits.events if full else 1
    request = network.request(envelope_of(name), [msgspec.Raw(b'{"n":1.10}')] * count)
    assert msgspec.json.encode(request.body).count(b'{"n":1.10}') == count
    assert limits.bytes >= 1000


@every_network
def test_identifiers_begin_with_the_click_ids_and_no_column_is_taken_twice(name: str) -> None:
    network = network_of(name)
    assert set(network.click_ids) <= set(network.ids)
    assert not set(network.ids) & set(Conversion.__struct_fields__)
    assert set(network.ids) <= Columns(network.ids).ids


def test_no_two_networks_answer_to_one_name() -> None:
    names = [name for network in NETWORKS.values() for name in (network.name, *network.aliases)]
    assert len(names) == len(set(names))
    assert all(name == name.lower() for name in names)


# --- What a network gets without asking ------------------------------------------------------------------------------


class Plain(Network[Settings]):
    """A network that says only what it must, to show the defaults."""

    name = "plain"
    docs = "https://example.com/docs"
    settings_type = Settings
    events: ClassVar[Mapping[str, str | None]] = {"purchase": "Purchase", "ad_click": None}
    click_ids = ids = ("plainid",)
    standard_events = frozenset({"Purchase"})
    assets: ClassVar[Mapping[str, str]] = dict.fromkeys(SOURCES, "pixel")
    request_limits = Limits(events=10)
    max_age = timedelta(days=1)
    max_ahead = timedelta(minutes=1)
    codes: ClassVar[Mapping[str, Verdict]] = {"0": Verdict.ACCEPTED, "7": Verdict.THROTTLED}

    def payload(self, conversion: Conversion) -> JSON:
        return {"event": self.event(conversion)}

    def envelope(self, conversion: Conversion) -> dict[str, JSON]:
        return {}

    def request(self, envelope: Mapping[str, JSON], payloads: Sequence[JSON]) -> Request:
        return Request(url=self.url("https://example.com/events"), body=payloads)

    def error(self, body: Any) -> tuple[str, str]:
        return (str(body["code"]), "said") if isinstance(body, dict) else ("", "")

    def match_keys(self, payload: Mapping[str, JSON]) -> Iterable[str]:
        return ()

    def outcomes(self, response: Response, count: int) -> list[Outcome]:
        code, message = self.error(response.body)
        return [Outcome(by_code(code, response.status, self.codes), code, message, shared=True)] * count


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        *(
            (200, {"code": 0}, "ACCEPTED"),
            (200, None, "ACCEPTED"),
            (204, None, "ACCEPTED"),
            (200, {"code": 7}, "THROTTLED"),
        ),
        *((200, {"code": 8}, "REJECTED"), (400, {"code": 7}, "THROTTLED"), (400, {"code": 8}, "REJECTED")),
        *(
            (401, None, "CREDENTIALS"),
            (403, {"code": 8}, "CREDENTIALS"),
            (429, None, "THROTTLED"),
            (408, None, "TRANSIENT"),
        ),
        *(
            (425, None, "TRANSIENT"),
            (500, None, "TRANSIENT"),
            (599, {"code": 8}, "TRANSIENT"),
            (302, None, "TRANSIENT"),
        ),
        *((404, None, "REJECTED"), (413, None, "REJECTED"), (100, None, "TRANSIENT"), (302, None, "TRANSIENT")),
    ],
)
def test_an_answer_is_classified_by_the_networks_code_then_by_the_status(status: int, body: Any, verdict: str) -> None:
    outcomes = Plain(Settings()).outcomes(Response(status=status, body=body), 2)
    assert [(outcome.verdict.name, outcome.shared) for outcome in outcomes] == [(verdict, True)] * 2


def test_without_more_said_a_resend_is_never_harmless_and_custom_events_pass() -> None:
    network = Plain(Settings())
    assert network.dedup_window is None
    assert network.event(conversion_of("plain", event_name="VIP upgrade")) == "VIP upgrade"
    assert (network.retry_after(Response(status=429)), network.request_id(Response(status=200))) == ("", "")


def test_a_skipped_event_is_skipped_again_and_holds_no_conversion() -> None:
    network = Plain(Settings())
    skips = []
    for _ in range(2):
        with pytest.raises(Skip, match="event_off") as skip:
            network.event(conversion_of("plain", event_name="ad_click"))
        skips.append(skip.value)
    assert skips[0] is not skips[1]
