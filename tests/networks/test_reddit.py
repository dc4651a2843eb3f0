"""What is particular to Reddit and stands in no table of its vectors."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import NOW, a_conversion, an_account

from target_adpostbacks.config import InvalidConfig
from target_adpostbacks.core.answers import Response, Skip, Verdict
from target_adpostbacks.core.postback import prepare
from target_adpostbacks.networks.reddit import Reddit


def reddit(**settings: Any) -> Reddit:
    network = an_account("reddit", **settings).network
    assert isinstance(network, Reddit)
    return network


def payload(network: Reddit, **columns: Any) -> Any:
    return network.payload(a_conversion(**{"network": "reddit", "rdt_cid": "1", "ttclid": None, **columns}))


TOKEN_RULE = "access_token: contains white space or a character that cannot be sent; copy it again"
PIXEL = "pixel_id: a2_ and letters or digits expected, as Events Manager shows it beside the pixel's name"


@pytest.mark.parametrize(
    ("settings", "mistake"),
    [
        *(
            ({"pixel_id": pixel_id}, PIXEL)
            for pixel_id in ("demo", "a2_", "A2_demo", "a2_de mo", "a2_demo/../x", "a3_x")
        ),
        ({"pixel_id": 1234}, PIXEL),
        ({"access_token": "two words"}, TOKEN_RULE),
        ({"access_token": "dash\u2014ed"}, TOKEN_RULE),
        ({"access_token": "a\x00b"}, TOKEN_RULE),
        ({"user_agent": "two\nlines"}, "user_agent: one line of plain ASCII expected"),
        ({"user_agent": "ünicode"}, "user_agent: one line of plain ASCII expected"),
    ],
)
def test_a_setting_of_the_wrong_form_is_a_mistake(settings: dict[str, Any], mistake: str) -> None:
    with pytest.raises(InvalidConfig) as invalid:
        reddit(**settings)
    assert invalid.value.mistakes == [f"reddit.accounts.default.{mistake}"]


def test_an_old_accounts_id_is_taken_with_a_hint() -> None:
    assert list(reddit(pixel_id="t2_old7").settings.hints()) == [
        "pixel_id: t2_ is the form of old accounts; new pixels begin with a2_"
    ]
    assert not list(reddit().settings.hints())


def test_base_url_replaces_scheme_and_host_and_keeps_its_path() -> None:
    url = reddit(base_url="https://proxy.example/reddit/").request({}, []).url
    assert url == "https://proxy.example/reddit/api/v3/pixels/a2_demo1234/conversion_events"


def test_event_map_is_asked_by_the_records_spelling_first_then_by_the_canonical_name() -> None:
    network = reddit(event_map={"purchase": "LEAD", "Order Completed": "My Order", "PURCHASE": None})
    assert network.event(a_conversion(event_name="purchase")) == "LEAD"
    assert network.event(a_conversion(event_name="Order Completed")) == "My Order"
    with pytest.raises(Skip, match="event_off"):
        network.event(a_conversion(event_name="PURCHASE"))


def test_event_map_switches_an_event_on() -> None:
    network = reddit(event_map={"ad_click": "ad_click"})
    assert payload(network, event_name="ad_click")["type"] == {
        "tracking_type": "CUSTOM",
        "custom_event_name": "ad_click",
    }


def test_a_test_event_needs_an_id_and_a_live_one_has_none() -> None:
    with pytest.raises(Skip, match="test_without_code"):
        reddit().envelope(a_conversion(test=True))
    network = reddit(test_id="t2_test")
    assert network.envelope(a_conversion(test=True)) == {"test_id": "t2_test"}
    assert network.envelope(a_conversion()) == {}


@pytest.mark.parametrize(("hash_ip", "length"), [(False, 9), (True, 64)])
def test_an_address_goes_raw_or_hashed(hash_ip: bool, length: int) -> None:
    assert len(payload(reddit(hash_ip=hash_ip), ip_address="192.0.2.1")["user"]["ip_address"]) == length


@pytest.mark.parametrize("ip_address", ["unknown", "10.0.0.1", "10.0.0.1, ::1", "-"])
def test_what_is_no_address_of_a_person_is_left_out(ip_address: str) -> None:
    assert "user" not in payload(reddit(), ip_address=ip_address)


def test_a_screen_larger_than_reddit_takes_is_left_out() -> None:
    assert "user" in payload(reddit(), screen_width=32767, screen_height=0)
    assert "user" not in payload(reddit(), screen_width=1920, screen_height=32768)


@pytest.mark.parametrize(
    ("body", "verdict", "reason"),
    [
        ({"data": {}}, Verdict.ACCEPTED, ""),
        ({"data": {"message": "ok"}}, Verdict.ACCEPTED, ""),
        ({"message": "Successfully processed 2 conversion events."}, Verdict.ACCEPTED, ""),
        ({"message": "There were 1 invalid conversion events."}, Verdict.REJECTED, "unconfirmed"),
        ({"data": {}, "error": {"message": "no"}}, Verdict.REJECTED, ""),
        ({"data": {}, "success": False}, Verdict.REJECTED, "unconfirmed"),
        ({"data": {}, "invalid_events": [{"error_message": "x"}]}, Verdict.REJECTED, "unconfirmed"),
        ("processed 2 events", Verdict.TRANSIENT, ""),
    ],
)
def test_a_200_is_believed_only_as_far_as_its_words_go(body: Any, verdict: Verdict, reason: str) -> None:
    outcome = reddit().outcomes(Response(status=200, body=body), 2)[1]
    assert (outcome.verdict, outcome.reason) == (verdict, reason)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"code": 400, "message": "missing action_source"}}, "missing action_source"),
        ({"success": False, "error": {"reason": "UNAUTHORIZED", "explanation": "no"}}, "no"),
        ({"message": "There were 1", "invalid_events": [{"error_message": "too old"}]}, "too old"),
        ({"message": "no", "invalid_events": [{}]}, "no"),
        *(({"message": "no"}, "no"), ("Bad Request", "Bad Request"), ({}, ""), ([], ""), ({"message": None}, "")),
    ],
)
def test_the_message_is_found_wherever_reddit_puts_it(body: Any, message: str) -> None:
    assert reddit().error(body)[1] == message


def test_match_keys_are_named_never_told() -> None:
    personal = {"email": "ada@example.com", "user_agent": "agent", "screen_width": 1, "screen_height": 1}
    conversion = a_conversion(network="reddit", rdt_cid="1", limited_data_use=True, **personal)
    facts = prepare(an_account("reddit"), conversion, NOW).facts
    assert facts.match_keys == "click_id,email,user_agent"


@pytest.mark.parametrize(
    ("state", "region"), [("US-CA", "US-CA"), ("ca", "CA"), ("California", "CA"), ("CA, USA", "CA"), ("Bayern", None)]
)
def test_a_region_is_a_code_or_left_out(state: str, region: str | None) -> None:
    user = payload(reddit(), state=state, limited_data_use=True)["user"]
    assert user["data_processing_options"].get("region") == region


def test_a_hashed_country_is_left_out_where_the_code_is_wanted() -> None:
    user = payload(reddit(), country="a" * 64, limited_data_use=True)["user"]
    assert user["data_processing_options"] == {"modes": ["LDU"]}
