"""What every network promises."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from conftest import NOW
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from subject import (
    PERSONAL,
    SUBJECTS,
    Subject,
    body_of,
    every_network,
    every_source,
    leaves,
    name_of,
    payload_of,
)

from target_adpostbacks.config.describing import described
from target_adpostbacks.core.answers import Response, Skip, Verdict
from target_adpostbacks.core.conversion import DERIVED_DIGITS, Conversion
from target_adpostbacks.core.layout import Columns
from target_adpostbacks.core.left_out import READINGS
from target_adpostbacks.core.network import Network
from target_adpostbacks.core.postback import prepare
from target_adpostbacks.core.settings import secrets
from target_adpostbacks.networks import NETWORKS

DEVICES: tuple[dict[str, Any], ...] = ({}, {"idfa": None}, {"platform": "android", "idfa": None})


def unhashed(subject: Subject, conversion: Conversion) -> set[str]:
    """The columns whose values are in the request for a conversion as they are, however they are spelled."""
    postback = prepare(subject.account, conversion, NOW)
    request = subject.network.request(postback.envelope, [msgspec.Raw(postback.payload)])
    told = [body_of(request), request.url, request.target, request.headers, request.query]
    texts = {folded(text) for text in leaves(told).values()}
    values = {column: folded(value) for column, value in PERSONAL.items()}
    return {
        column
        for column, value in values.items()
        if value in texts or (len(value) > 4 and any(value in text for text in texts))
    }


def folded(value: Any) -> str:
    return "".join(filter(str.isalnum, str(value).lower()))


@every_source
def test_a_postback_under_an_older_event_id_is_what_it_was_then(subject: Subject, source: str) -> None:
    today, then = (f"orders-{digit * DERIVED_DIGITS}" for digit in "ab")
    ids = {"event_id": today, "order_id": None, "derived_ids": (today, then)}
    conversion = msgspec.structs.replace(subject.full_conversion(source), **ids)
    before = prepare(subject.account, msgspec.structs.replace(conversion, event_id=then, derived_ids=()), NOW)
    postback = prepare(subject.account, conversion, NOW)
    assert [key.event_id for key in postback.other_keys] == [then]
    assert msgspec.structs.replace(postback.under(then), other_keys=()) == before


@every_source
def test_no_raw_match_key_is_sent_but_those_that_the_network_wants_unhashed(subject: Subject, source: str) -> None:
    for device in DEVICES:
        assert unhashed(subject, subject.full_conversion(source, **device)) <= {*subject.vectors["plain"]}


SAID_ALOUD = [
    *(PERSONAL[column] for column in ("email", "phone", "external_id", "ip_address", "date_of_birth", "idfa", "gaid")),
    *("14155550142", "19900517", "Canaryfirst Canarylast", "Canarylast, Canaryfirst"),
]
SPELLED = st.sampled_from(SAID_ALOUD).flatmap(
    lambda text: st.sampled_from([text, text.upper(), text.lower(), f" {text}", f"customer {text}!"])
)
MEMBERS = st.recursive(
    SPELLED | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SPELLED | st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(
    "note email ad predicted_ltv content_name content_ids shop_id subscription_id anon_id carrier callback".split()
)


@every_source
@settings(max_examples=25, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(NAMES | SPELLED, MEMBERS | st.dictionaries(NAMES, MEMBERS, max_size=3), max_size=4))
def test_whatever_is_in_properties_no_raw_match_key_is_sent(
    subject: Subject, source: str, properties: dict[str, Any]
) -> None:
    person = payload_of(prepare(subject.account, subject.full_conversion(source), NOW))
    conversion = subject.full_conversion(source, properties=properties)
    sent = payload_of(prepare(subject.account, conversion, NOW))
    added = {path: text for path, text in leaves(sent).items() if path not in leaves(person)}
    told = folded(" ".join([*map(str, added.values()), *(str(part) for path in added for part in path)]))
    assert not [text for text in SAID_ALOUD if folded(text) in told]


@every_network
def test_what_may_go_unhashed_does_so_for_some_source(subject: Subject) -> None:
    conversions = [
        subject.full_conversion(source, **device) for source in subject.network_type.assets for device in DEVICES
    ]
    assert {*subject.vectors["plain"]} <= {column for each in conversions for column in unhashed(subject, each)}


@every_source
def test_equal_input_gives_equal_bytes(subject: Subject, source: str) -> None:
    conversion = subject.full_conversion(source)
    first, second = (prepare(subject.account, conversion, NOW) for _ in range(2))
    assert first.payload == second.payload
    assert list(first.envelope.items()) == list(second.envelope.items())


@every_source
def test_a_process_that_has_no_secrets_prepares_the_same(subject: Subject, source: str) -> None:
    canaries = {name: f"canary-{name}" for name in secrets(subject.network_type.settings_type)}
    given = {
        name: dict.fromkeys(value, canaries[name])
        if name in canaries and isinstance(value, dict)
        else canaries.get(name, value)
        for name, value in subject.settings.items()
    }
    account = subject.account_with(given)
    sent = pickle.dumps(account.without_secrets())
    assert b"canary-" not in sent
    conversion = subject.full_conversion(source)
    assert prepare(pickle.loads(sent), conversion, NOW) == prepare(account, conversion, NOW)


@every_source
def test_limited_data_use_is_said_in_the_payload_where_the_network_takes_it(subject: Subject, source: str) -> None:
    conversion = subject.full_conversion(source, att_status=None)
    limited = msgspec.structs.replace(conversion, limited_data_use=True)
    if "limited_data_use" in subject.network.denials:
        with pytest.raises(Skip, match="no_consent"):
            prepare(subject.account, limited, NOW)
        assert not subject.network.limits_data_use(conversion)
        return
    said = prepare(subject.account, limited, NOW).payload != prepare(subject.account, conversion, NOW).payload
    assert said or not subject.network.limits_data_use(conversion)


@every_network
@pytest.mark.parametrize("alone", [{"value": 5}, {"currency": "USD"}])
def test_a_value_or_a_currency_is_not_sent_alone_unless_the_network_says_so(
    subject: Subject, alone: dict[str, Any]
) -> None:
    neither = {"event_name": "lead", "value": None, "currency": None}
    postback, without = (
        prepare(subject.account, subject.full_conversion("web", **{**neither, **columns}), NOW)
        for columns in (alone, {})
    )
    assert (postback.facts.value is None) is (postback.facts.currency is None)
    assert postback.payload == without.payload or subject.network_type.priced is not Network.priced


@every_network
def test_a_payload_holds_no_null_and_no_empty_text(subject: Subject) -> None:
    properties = {"note": "", "tags": [None, "", {}], "deep": {"a": None, "b": {"c": ""}}, "kept": [0, False, "x"]}
    items = [{"id": "1", "name": "", "price": 0}, {"name": "gift"}, {}]
    for source in subject.network_type.assets:
        conversion = subject.full_conversion(source, properties=properties, contents=items, email=["", "no address"])
        payload = payload_of(prepare(subject.account, conversion, NOW))
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
def test_an_answer_that_makes_no_sense_is_never_accepted(subject: Subject, status: int, body: Any) -> None:
    silent = status < 300 and (body is None or (isinstance(body, str) and not body.strip()))
    for count in (1, 3):
        outcomes = subject.network.outcomes(Response(status=status, body=body), count)
        assert len(outcomes) == count
        accepted = Verdict.ACCEPTED in {outcome.verdict for outcome in outcomes}
        assert accepted == (
            (silent and takes_silence_for_success(subject))
            or is_documented(subject, status, body)
            or (status < 300 and takes_any_answer_for_success(subject) and names_no_failure(body))
        )


def is_documented(subject: Subject, status: int, body: Any) -> bool:
    """Whether it makes sense to this network, after all."""
    live = (row for row in subject.vectors["responses"] if not row.get("test"))
    rows = (row for row in live if {*row["verdicts"]} == {"ACCEPTED"})
    return status < 300 and body in [row["body"] for row in rows if row["body"] != ""]


def takes_silence_for_success(subject: Subject) -> bool:
    """Whether the network is documented to accept without a word."""
    silent = [row for row in subject.vectors["responses"] if row["body"] == "" and row["status"] < 300]
    return any(set(row["verdicts"]) == {"ACCEPTED"} for row in silent)


def takes_any_answer_for_success(subject: Subject) -> bool:
    """Whether nobody documents what the network's success looks like: any answer is one but an error."""
    return bool(subject.vectors.get("any_answer_accepts"))


def names_no_failure(body: Any) -> bool:
    if isinstance(body, dict):
        return not body.get("error")
    return not (isinstance(body, str) and body.lstrip().startswith("<"))  # a page is somebody else's


def places_of_codes(subject: Subject) -> set[tuple[Any, ...]]:
    """Where in the bodies of its refusals the network puts its codes."""
    return {
        path
        for row in subject.vectors["responses"]
        for path, value in leaves(row["body"]).items()
        if row.get("code") and str(value) == row["code"].partition("/")[0] and {*row["verdicts"]} != {"ACCEPTED"}
    }


@every_network
def test_the_vectors_show_where_a_code_stands(subject: Subject) -> None:
    assert places_of_codes(subject)


def with_code(body: Any, path: tuple[Any, ...], code: Any) -> Any:
    """A body with a code at a place that may not be there yet."""
    if not path:
        return code
    key, *rest = path
    if key == 0:
        return [with_code(body[0] if body and isinstance(body, list) else None, tuple(rest), code)]
    return {**(body or {}), key: with_code((body or {}).get(key), tuple(rest), code)}


@pytest.mark.parametrize(
    ("subject", "place"),
    [(subject, place) for subject in SUBJECTS for place in sorted(places_of_codes(subject), key=str)],
    ids=lambda value: value.name if isinstance(value, Subject) else ".".join(map(str, value)),
)
@pytest.mark.parametrize("unlisted", [1, 12345, 99999999, "E_UNKNOWN", "-1", "00", 0.5])
def test_a_code_that_nobody_knows_is_never_taken_for_success(
    subject: Subject, place: tuple[Any, ...], unlisted: Any
) -> None:
    row = next(row for row in subject.vectors["responses"] if {*row["verdicts"]} == {"ACCEPTED"})
    usual, odd = (
        subject.network.outcomes(Response(status=200, body=body), row["events"])
        for body in (row["body"], with_code(row["body"], place, unlisted))
    )
    assert {outcome.verdict for outcome in usual} == {Verdict.ACCEPTED}
    assert Verdict.ACCEPTED not in {outcome.verdict for outcome in odd}


@pytest.mark.parametrize("subject", [subject for subject in SUBJECTS if subject.network_type.codes], ids=name_of)
def test_every_listed_code_has_a_row_in_the_vectors(subject: Subject) -> None:
    """Of codes that follow one another and mean the same, the first and the last."""
    codes = subject.network.codes
    listed = {int(code): verdict for code, verdict in codes.items() if code.lstrip("-").isdecimal()}
    inside = {str(code) for code, verdict in listed.items() if listed.get(code - 1) == listed.get(code + 1) == verdict}
    rows = {str(code) for row in subject.whole["responses"] for code in (row.get("code"), *row.get("codes", ()))}
    assert codes.keys() - inside <= rows | {code.partition("/")[0] for code in rows}


@pytest.mark.parametrize("subject", [subject for subject in SUBJECTS if subject.network_type.statuses], ids=name_of)
def test_every_listed_status_has_a_row_in_the_vectors(subject: Subject) -> None:
    assert subject.network_type.statuses.keys() <= {row["status"] for row in subject.vectors["responses"]}


@every_network
def test_advice_is_about_an_answer_that_is_known_and_bad(subject: Subject) -> None:
    network = subject.network
    for code in network.advice:
        verdicts = {
            verdict
            for row in subject.whole["responses"]
            if code in (row.get("code"), str(row["status"]), str(row.get("code")).partition("/")[0])
            for verdict in row["verdicts"]
        }
        assert verdicts - {"ACCEPTED"}, code


@every_network
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_nobodys_verdict_unless_the_network_says_so(subject: Subject, status: int) -> None:
    response = Response(status=status, body=None, headers={"location": "https://example.net/"})
    verdict = subject.network_type.statuses.get(status, Verdict.TRANSIENT)
    assert subject.network.outcomes(response, 2)[0].verdict is verdict
    assert verdict is not Verdict.ACCEPTED


@every_network
def test_secrets_are_marked_and_stay_out_of_the_url(subject: Subject) -> None:
    properties = described(subject.network_type.settings_type)
    looks_secret = {
        field
        for field in properties
        if re.search(r"token(?!_created_at|_max_age|_path)|secret|password|api_key", field)
    }
    assert looks_secret
    assert all(properties[field].get("secret") and properties[field].get("writeOnly") for field in looks_secret)
    request = subject.network.request(subject.envelope(), [{}])
    for field in looks_secret & subject.settings.keys():
        for secret in leaves(subject.settings[field]).values():
            assert secret not in request.url
            assert secret in subject.account.secrets


BATCHING = [subject for subject in SUBJECTS if subject.network_type.request_limits.events > 1]


@pytest.mark.parametrize("subject", BATCHING, ids=name_of)
@pytest.mark.parametrize("full", [False, True], ids=["one payload", "a full batch"])
def test_encoded_payloads_are_spliced_into_the_body(subject: Subject, full: bool) -> None:
    network = subject.network
    limits = network.limits(subject.envelope())
    count = limits.events if full else 1
    request = network.request(subject.envelope(), [msgspec.Raw(b'{"n":1.10}')] * count)
    assert msgspec.json.encode(request.body).count(b'{"n":1.10}') == count
    assert limits.bytes >= 1000


@every_source
@pytest.mark.parametrize("test", [False, True])
@pytest.mark.parametrize("adjustment", [None, "retract", "restate"])
def test_what_is_remembered_of_a_kind_of_conversion_is_the_same_for_all_of_that_kind(
    subject: Subject, source: str, test: bool, adjustment: str | None
) -> None:
    def told(ask: Callable[[Conversion], Any], c: Conversion) -> Any:
        try:
            return ask(c)
        except Skip as skip:
            return skip.reason, skip.message

    kind = {"event_source": source, "test": test, "adjustment": adjustment}
    bare, full = subject.conversion(**kind), subject.full_conversion(source, test=test, adjustment=adjustment)
    network = subject.network
    for ask in (network.event, network.adjusts, network.asset, network.age_limit, network.envelope):
        assert told(ask, bare) == told(ask, full)


@every_source
def test_a_test_never_shares_a_request_with_what_counts(subject: Subject, source: str) -> None:
    setting, without_code = subject.network.test_setting, subject.network.tests_without_code
    code = {} if without_code else subject.network.with_test_code("TEST1")
    account = subject.account_with({**subject.settings, **code})
    live, test = subject.full_conversion(source), subject.full_conversion(source, test=True)
    if not (setting or without_code):
        with pytest.raises(Skip, match="test_without_code"):
            prepare(account, test, NOW)
    else:
        assert prepare(account, test, NOW).envelope != prepare(account, live, NOW).envelope


@every_network
def test_identifiers_begin_with_the_click_ids_and_no_column_is_taken_twice(subject: Subject) -> None:
    network = subject.network
    assert set(network.click_ids) <= {*network.ids, "click_id"}  # which every record may have
    assert not set(network.ids) & set(Conversion.__struct_fields__)
    assert set(network.ids) <= Columns(network.ids).ids


@every_network
def test_a_click_id_is_told_among_the_match_keys_by_one_of_the_names_that_the_network_says(subject: Subject) -> None:
    network = subject.network
    names, nothing = {*network.click_ids, *network.click_match_keys}, dict.fromkeys((*network.ids, "lead_id"))
    for column in network.click_ids:
        conversion = subject.full_conversion("web", **{**nothing, column: network.click_id_example})
        sent = prepare(subject.account, conversion, NOW).facts.match_keys.split(",")
        assert len(names.intersection(sent)) == 1
    if not network.accounts_are_networks:  # they may need one
        without = prepare(subject.account, subject.full_conversion("web", **nothing), NOW)
        assert names.isdisjoint(without.facts.match_keys.split(","))


@every_network
def test_a_column_that_cannot_be_used_is_told_and_a_good_one_is_not(subject: Subject) -> None:
    network = subject.network
    assert {"email"} <= network.match_columns.keys() <= READINGS.keys()
    columns = {"email": "ada@example.com", "phone": "+14155550142", "gender": "f", "date_of_birth": "1990-05-17"}
    good = {**columns, "ip_address": "203.0.113.77"}
    for record in (good, {**good, "email": "a" * 64}):
        conversion = subject.full_conversion("web", **record, lead_id=None)
        sent = prepare(subject.account, conversion, NOW).facts.match_keys.split(",")
        assert [*network.unusable(conversion, sent)] == []
        assert {*network.match_columns.values()} <= {*sent}
    for column in network.match_columns:
        conversion = subject.full_conversion("web", **{**good, column: "canary"}, lead_id=None)
        sent = prepare(subject.account, conversion, NOW).facts.match_keys.split(",")
        (told,) = network.unusable(conversion, sent)
        assert told.startswith(f"{column}: not ")


def test_no_two_networks_answer_to_one_name() -> None:
    names = [name for network in NETWORKS.values() for name in (network.name, *network.aliases)]
    assert len(names) == len(set(names))
    assert names == [name.lower() for name in names]
    assert {network.title.lower() for network in NETWORKS.values()} <= {*names}  # as people write it in a record
