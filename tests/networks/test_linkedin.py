"""What is particular to LinkedIn: rules in place of events, versions, tests, and a token that is refreshed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from conftest import NOW, a_conversion
from ledger_rows import rows
from local_server import Answer, LocalServer, Received

from target_adpostbacks.config import InvalidConfig, accounts, hints
from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.answers import NoAccess, Response, Skip, Verdict
from target_adpostbacks.core.postback import Postback, prepare
from target_adpostbacks.delivery.access import SignedIn
from target_adpostbacks.delivery.check import assets, check
from target_adpostbacks.delivery.transport import HttpTransport
from target_adpostbacks.networks import linkedin
from target_adpostbacks.networks.linkedin import LinkedIn
from target_adpostbacks.run import deliver
from target_adpostbacks.sandbox import Sandbox

VECTORS = json.loads((Path(linkedin.__file__).parents[1] / "vectors" / "linkedin.json").read_text("utf-8"))
CLICK = {"network": "linkedin", "li_fat_id": "df5gf5", "ttclid": None}
SECTION: dict[str, Any] = {
    "access_token": "example-access-token",
    "conversion_rules": {"purchase": ["104012", "104013"], "lead": 104004},
}
REFRESH = {
    "refresh_token": "example-refresh-token",
    "client_id": "client-1",
    "client_secret": "example-client-secret",
}


def account(**settings: Any) -> Account:
    (made,) = accounts({"linkedin": {**SECTION, **settings}})["linkedin"]
    return made


def network(**settings: Any) -> LinkedIn:
    made = account(**settings).network
    assert isinstance(made, LinkedIn)
    return made


def ready(settings: Mapping[str, Any] | None = None, **columns: Any) -> Postback:
    return prepare(account(**(settings or {})), a_conversion(**{**CLICK, **columns}), NOW)


def refusal(settings: Mapping[str, Any] | None = None, **columns: Any) -> str:
    with pytest.raises(Skip) as skip:
        ready(settings, **columns)
    return skip.value.reason


def mistakes(**settings: Any) -> list[str]:
    section = {name: value for name, value in {**SECTION, **settings}.items() if value is not None}
    with pytest.raises(InvalidConfig) as invalid:
        accounts({"linkedin": section})
    return invalid.value.mistakes


def a_record(number: int = 1, **columns: Any) -> dict[str, Any]:
    now = datetime.now(timezone.utc)
    event = {"event_name": "purchase", "event_id": f"evt-{number}", "event_time": now}
    return {**event, "network": "linkedin", "li_fat_id": f"df5gf5-{number}", **columns}


# Rules.


def test_the_suggested_rule_types_are_the_documented_ones() -> None:
    assert LinkedIn.events == VECTORS["rule_types"]


def test_a_conversion_for_two_rules_is_one_postback_of_two_elements() -> None:
    postback = ready()
    assert (postback.events, postback.key.asset) == (2, "104012")
    first, second = json.loads(postback.payload)
    assert [first.pop("conversion"), second.pop("conversion")] == [
        "urn:lla:llaPartnerConversion:104012",
        "urn:lla:llaPartnerConversion:104013",
    ]
    assert first == second
    assert postback.facts.match_keys == "LINKEDIN_FIRST_PARTY_ADS_TRACKING_UUID"
    assert postback.facts.network_event == "purchase"


def test_a_rule_that_is_added_behind_the_first_leaves_the_identity() -> None:
    one, two = ready({"conversion_rules": {"purchase": "104012"}}), ready()
    assert one.key == two.key
    assert ready({"conversion_rules": {"purchase": ["104013", "104012"]}}).key != two.key


def test_an_event_without_a_rule_is_off_and_has_no_receiver() -> None:
    assert refusal(event_name="sign_up") == "event_off"
    assert network().asset(a_conversion(**CLICK, event_name="sign_up")) == ""


def test_accounts_may_not_share_a_rule() -> None:
    section = {
        "access_token": "t",
        "accounts": {
            "a": {"conversion_rules": {"lead": "1", "purchase": ["2", "3"]}},
            "b": {"conversion_rules": {"search": "urn:lla:llaPartnerConversion:3"}},
        },
    }
    with pytest.raises(InvalidConfig) as invalid:
        accounts({"linkedin": section})
    (mistake,) = invalid.value.mistakes
    assert mistake.startswith("linkedin.accounts.b.conversion_rules.search: the account a sends to the same")


def test_a_check_names_the_first_rule() -> None:
    assert assets(network()) == {"web": "104012"}


def test_a_conversion_is_accepted_only_when_all_its_elements_are(tmp_path: Path, server: LocalServer) -> None:
    results = [{"status": 201}, {"status": 409}, {"status": 201}, {"status": 201}]
    server.answer = lambda _: Answer(200, {"elements": results})
    section = {**SECTION, "base_url": server.url}
    ledger = f"sqlite:///{tmp_path}/l.db"
    records = [a_record(1), a_record(2)]
    tally = deliver(records, {"linkedin": section, "ledger_url": ledger})
    assert (tally.accepted, tally.rejected) == (1, 1)
    assert sorted(rows(ledger, "event_id, status, code")) == [("evt-1", "rejected", "409"), ("evt-2", "accepted", "")]
    (received,) = server.received
    assert [e["eventId"] for e in received.body["elements"]] == ["evt-1", "evt-1", "evt-2", "evt-2"]


def test_the_rest_of_a_refused_request_is_sent_again_without_what_was_named(tmp_path: Path) -> None:
    with Sandbox(faults=[{"refuse_event_id": "evt-3"}]) as sandbox:
        section = {**SECTION, "base_url": sandbox.url}
        ledger = f"sqlite:///{tmp_path}/l.db"
        tally = deliver([a_record(n) for n in range(5)], {"linkedin": section, "ledger_url": ledger})
        assert (tally.accepted, tally.rejected) == (4, 1)
        assert len(sandbox.requests) == 2
        taken = [(event["event"], event["event_id"], event["times"]) for event in sandbox.received]
        assert sorted(taken) == [(rule, f"evt-{n}", 1) for rule in ("104012", "104013") for n in (0, 1, 2, 4)]


def test_what_got_no_answer_is_not_sent_again_by_itself(tmp_path: Path) -> None:
    with Sandbox(faults=[{"network": "linkedin", "reset": "after", "times": 1}]) as sandbox:
        config = {"linkedin": {**SECTION, "base_url": sandbox.url}, "ledger_url": f"sqlite:///{tmp_path}/l.db"}
        for _ in range(2):
            assert deliver([a_record()], config).open == {"no_answer": 1}
        assert [event["times"] for event in sandbox.received] == [1, 1]


def test_a_request_holds_so_many_elements_not_conversions(tmp_path: Path) -> None:
    assert linkedin.LinkedIn.request_limits.events == 5000
    with Sandbox() as sandbox:
        section = {**SECTION, "base_url": sandbox.url}
        config = {"linkedin": section, "ledger_url": f"sqlite:///{tmp_path}/l.db", "batch_size_rows": 4000}
        assert deliver([a_record(n) for n in range(2600)], config).accepted == 2600
        sizes = [len(request["body"]["elements"]) for request in sandbox.requests]
        assert max(sizes) <= 5000
        assert sum(sizes) == 5200


# Tests.


@pytest.mark.parametrize("rules", [{}, {"lead": "104999"}])
def test_a_test_goes_to_no_rule_that_counts(rules: dict[str, str]) -> None:
    assert refusal({"test_conversion_rules": rules}, test=True) == "test_without_code"


def test_a_test_code_that_is_a_rule_that_counts_is_none() -> None:
    with Sandbox() as sandbox:
        (checked,) = check(account(base_url=sandbox.url), HttpTransport(), lambda: NOW, "104012")
        assert (checked.result, checked.message.partition(":")[0]) == ("unchecked", "test_without_code")
        assert sandbox.requests == []


def test_a_check_sends_an_event_to_the_rule_that_is_given() -> None:
    with Sandbox(now=lambda: NOW) as sandbox:
        (checked,) = check(account(base_url=sandbox.url), HttpTransport(), lambda: NOW, "104999")
        assert checked.result == "ok"
        assert [event["event"] for event in sandbox.test_events] == ["104999"]


# Versions.


@pytest.mark.parametrize(
    ("version", "code"), [("202509", "NONEXISTENT_VERSION"), ("202704", "NONEXISTENT_VERSION"), ("202611", "")]
)
def test_a_version_that_is_not_served_halts_the_account(version: str, code: str) -> None:
    with Sandbox(now=lambda: NOW) as sandbox:
        settings = {"base_url": sandbox.url, "linkedin_version": version}
        made = network(**settings)
        postback = ready(settings)
        response = HttpTransport()(made.request(postback.envelope, [postback.spliced]), 60)
        outcomes = made.outcomes(response, 2)
        assert [outcome.code for outcome in outcomes] == [code] * 2
        assert {outcome.verdict for outcome in outcomes} == {Verdict.CREDENTIALS if code else Verdict.ACCEPTED}


@pytest.mark.parametrize(
    ("kind", "value", "taken"),
    [
        ("PLAINTEXT_IP_ADDRESS", "203.0.113.9", ["202605", "202609"]),
        ("SHA256_IP_ADDRESS", "0" * 64, ["202607", "202609"]),
        ("GOOGLE_AID", "cdda802e-fb9c-47ad-9866-0794d394c912", ["202605", "202609"]),
        ("ORACLE_MOAT_ID", "M-1", ["202604", "202608"]),
    ],
)
def test_the_sandbox_takes_the_types_of_its_version(kind: str, value: str, taken: list[str]) -> None:
    with Sandbox(now=lambda: NOW) as sandbox:
        for version in ("202604", "202605", "202606", "202607", "202608", "202609"):
            made = network(base_url=sandbox.url, linkedin_version=version)
            element = {
                "conversion": "urn:lla:llaPartnerConversion:1",
                "conversionHappenedAt": int(NOW.timestamp() * 1000),
                "user": {"userIds": [{"idType": kind, "idValue": value}]},
            }
            status = HttpTransport()(made.request({}, [element]), 60).status
            assert status == (200 if taken[0] <= version <= taken[1] else 422), version


@pytest.mark.parametrize(
    ("version", "day", "told"),
    [
        ("202512", "2026-10-31", ""),
        ("202512", "2026-11-01", "11 months old"),
        ("202511", "2026-11-20", "12 months old"),
        ("202609", "2026-11-20", ""),
        ("202612", "2026-11-20", ""),
    ],
)
def test_a_version_is_warned_of_from_its_eleventh_month(version: str, day: str, told: str) -> None:
    now = datetime.fromisoformat(f"{day}T00:00:00+00:00")
    warnings = hints({"linkedin": [account(linkedin_version=version)]}, now)
    assert [told in warning for warning in warnings] == ([True] if told else [])
    assert all(warning.startswith("linkedin.default.linkedin_version: ") for warning in warnings)


def test_a_version_is_a_number_in_yaml() -> None:
    assert network(linkedin_version=202608).settings.linkedin_version == "202608"


# The token.


def test_a_token_is_used_until_it_has_ended_and_refreshed_for_the_rest_of_the_run(tmp_path: Path) -> None:
    for token, exchanges in (("example-access-token", 0), ("example-expired-token", 1)):
        with Sandbox() as sandbox:
            section = {**SECTION, **REFRESH, "access_token": token, "base_url": sandbox.url, "concurrency": 1}
            config = {"linkedin": section, "ledger_url": f"sqlite:///{tmp_path}/{token}.db", "batch_size_rows": 1}
            assert deliver([a_record(n) for n in range(3)], config).accepted == 3
            paths = [request["path"] for request in sandbox.requests]
            assert paths.count("/oauth/v2/accessToken") == exchanges
            assert paths.count("/rest/conversionEvents") == 3 + exchanges
            assert not [
                secret for secret in REFRESH.values() if "example" in secret and secret in str(sandbox.requests)
            ]


def test_a_refresh_is_a_form_at_linkedins_own_host_or_at_the_base_url(server: LocalServer) -> None:
    def answer(_: Received) -> Answer:
        return Answer(200, {"access_token": "fresh", "expires_in": 5_183_999})

    server.answer = answer
    access = network(**REFRESH, base_url=server.url).sign_in(lambda request: HttpTransport()(request, 60))
    assert access.headers == {"Authorization": "Bearer fresh"}
    (received,) = server.received
    assert (received.method, received.path) == ("POST", "/oauth/v2/accessToken")
    assert parse_qs(received.body.decode()) == {
        "grant_type": ["refresh_token"],
        **{name: [value] for name, value in REFRESH.items()},
    }
    asked: list[str] = []

    def send(request: Any) -> Response:
        asked.append(request.url)
        return Response(status=200, body={"access_token": "fresh"})

    network(**REFRESH).sign_in(send)
    assert asked == ["https://www.linkedin.com/oauth/v2/accessToken"]


def test_a_token_that_was_revoked_is_not_refreshed() -> None:
    with Sandbox(now=lambda: NOW) as sandbox:
        settings = {**REFRESH, "base_url": sandbox.url, "access_token": "revoked"}
        made, postback = network(**settings), ready(settings)
        transport = SignedIn(made, HttpTransport())
        response = transport(made.request(postback.envelope, [postback.spliced]), 60)
        assert made.outcomes(response, 2)[0].code == "REVOKED_ACCESS_TOKEN"
        assert [request["path"] for request in sandbox.requests] == ["/rest/conversionEvents"]


@pytest.mark.parametrize(
    ("settings", "code"),
    [({"refresh_token": "revoked"}, "invalid_grant"), ({"client_secret": "is-invalid"}, "invalid_client")],
)
def test_a_refused_refresh_halts_the_account(tmp_path: Path, settings: dict[str, str], code: str) -> None:
    ledger = f"sqlite:///{tmp_path}/l.db"
    with Sandbox() as sandbox:
        section = {**SECTION, **REFRESH, "access_token": "expired", "base_url": sandbox.url, **settings}
        tally = deliver([a_record(n) for n in range(3)], {"linkedin": section, "ledger_url": ledger})
        assert (tally.open, sandbox.received) == ({"credentials": 3}, [])
    assert {row[0] for row in rows(ledger, "code")} == {code}


def test_no_refresh_token_and_nobody_signs_in() -> None:
    made = network()
    assert made.credentials() == ()
    with pytest.raises(NoAccess):
        network(**REFRESH).sign_in(lambda _: Response(status=400, body={"error": "invalid_grant"}))


# Settings.


def test_yaml_makes_false_of_off() -> None:
    for value in ("off", False, "false"):
        assert network(send_ip=value).settings.send_ip == "off"
    (mistake,) = mistakes(send_ip=True)
    assert mistake.startswith("linkedin.send_ip: ")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"access_token": "two words"}, "access_token: contains white space"),
        ({"access_token": None}, "access_token: missing"),
        ({"conversion_rules": None}, "conversion_rules: missing"),
        ({"conversion_rules": {}}, "conversion_rules: empty"),
        ({"conversion_rules": {"lead": "abc"}}, "conversion_rules.lead: the rule's number expected"),
        ({"conversion_rules": {"lead": []}}, "conversion_rules.lead: the rule's number expected"),
        ({"conversion_rules": {"lead": ["1", "urn:li:x:2"]}}, "conversion_rules.lead: the rule's number expected"),
        ({"conversion_rules": {"lead": ""}}, "conversion_rules.lead: the rule's number expected"),
        ({"conversion_rules": {"lead": True}}, "conversion_rules.lead: "),
        ({"conversion_rules": "104012"}, "conversion_rules: an object expected"),
        ({"test_conversion_rules": {"lead": "x"}}, "test_conversion_rules.lead: the rule's number expected"),
        ({"test_conversion_rules": {"search": [104004]}}, "test_conversion_rules.search: stands in conversion_rules"),
        ({"linkedin_version": "2026-09"}, "linkedin_version: a year and a month expected"),
        ({"linkedin_version": "202613"}, "linkedin_version: a year and a month expected"),
        ({"default_currency": "eur"}, "default_currency: three capital letters"),
        ({"refresh_token": "r", "client_id": "c"}, "client_secret: missing"),
        ({"client_secret": "c", "refresh_token": "r"}, "client_id: missing"),
    ],
)
def test_a_mistake_in_the_settings_is_told(settings: dict[str, Any], expected: str) -> None:
    (mistake,) = mistakes(**settings)
    assert mistake.startswith(f"linkedin.{expected}")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"event_map": {"x": "purchase", "y": None, "z": "Lead"}}, []),
        ({"event_map": {"x": "sign_up"}}, ["event_map.x: no event of conversion_rules; the event is skipped"]),
        (
            {"send_ip": "sha256", "linkedin_version": "202606"},
            ["send_ip: linkedin_version takes no hashed addresses; none is sent"],
        ),
    ],
)
def test_what_is_unusual_is_told(settings: dict[str, Any], expected: list[str]) -> None:
    assert [*network(**settings).settings.hints()] == expected


def test_a_bad_element_is_named_with_all_that_is_wrong_with_it() -> None:
    (row,) = [row for row in VECTORS["responses"] if row["name"].startswith("the spec's 422: the first")]
    first, second = network().outcomes(Response(status=422, body=row["body"]), 2)
    assert first.message == (
        "ERROR: /conversionValue/amount: field is required but not found and has no default value; "
        "ERROR: /user/userInfo/firstName: field is required but not found and has no default value"
    )
    assert (second.message, second.shared) == ("refused with another element of its request", True)


@pytest.mark.parametrize("message", ["Index: " + "9" * 5000, "indices [" + "9" * 5000 + "]", "Index: 1" * 3000])
def test_a_message_that_makes_no_sense_names_nobody(message: str) -> None:
    outcomes = network().outcomes(Response(status=422, body={"message": message}), 2)
    assert {outcome.verdict for outcome in outcomes} <= {Verdict.REJECTED, Verdict.TRANSIENT}


def test_an_early_conversion_says_so_in_its_reason() -> None:
    assert refusal(event_time=NOW + timedelta(minutes=11)) == "in_future"
    assert refusal(event_time=NOW - timedelta(days=90, minutes=1)) == "too_old"


def test_equal_accounts_share_access_and_others_do_not() -> None:
    first, second = network(**REFRESH), network(**{**REFRESH, "access_token": "another"})
    assert first.credentials() == network(**REFRESH).credentials() != second.credentials()
