"""What a network gets without asking."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from conftest import a_conversion

from target_adpostbacks.core.answers import JSON, Outcome, Request, Response, Skip, Verdict, by_code
from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.network import Limits, Network
from target_adpostbacks.core.settings import Settings


class Plain(Network[Settings]):
    """A network that says only what it must, to show the defaults."""

    name = "plain"
    docs = "https://example.com/docs"
    settings_type = Settings
    events: ClassVar[Mapping[str, str | None]] = {"purchase": "Purchase", "ad_click": None}
    click_ids = ids = ("plainid",)
    standard_events = frozenset({"Purchase", "Native"})
    assets: ClassVar[Mapping[str, str]] = dict.fromkeys(("web", "app", "offline", "crm"), "pixel")
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
    assert network.resend_window(a_conversion()) is None
    assert network.event(a_conversion(network="plain", ttclid=None, event_name="VIP upgrade")) == "VIP upgrade"
    assert (network.retry_after(Response(status=429)), network.request_id(Response(status=200))) == ("", "")


def test_a_skipped_event_is_skipped_again_and_holds_no_conversion() -> None:
    network = Plain(Settings())
    skips = []
    for _ in range(2):
        with pytest.raises(Skip, match="event_off") as skip:
            network.event(a_conversion(network="plain", ttclid=None, event_name="ad_click"))
        skips.append(skip.value)
    assert skips[0] is not skips[1]


@pytest.mark.parametrize(
    ("triggers", "event", "name"),
    [
        (["purchase"], "Order Completed", "Purchase"),
        (["Order Completed"], "purchase", "Purchase"),
        (["vip upgrade"], "vip upgrade", "vip upgrade"),
        (["ad_click"], "AdClick", "ad_click"),  # the table has it off
        (["purchase"], "vip upgrade", None),
        (["lead"], "lead", None),  # event_map has it off
        (["Native"], "Native", "Native"),
        (["purchase"], "Native", None),
        (["search"], "search", "find"),  # by event_map
    ],
)
def test_only_trigger_events_are_sent_those_too_that_the_table_has_off(
    triggers: list[str], event: str, name: str | None
) -> None:
    network = Plain(Settings(trigger_events=triggers, event_map={"lead": None, "search": "find"}))
    conversion = a_conversion(network="plain", ttclid=None, event_name=event)
    if name:
        assert network.event(conversion) == name
    else:
        with pytest.raises(Skip, match="event_off"):
            network.event(conversion)


class OfTheAccount(Plain):
    """A network that knows its accounts by the names that the user gives them."""

    def asset_of(self, event_source: str) -> str:
        return self.account


def test_an_account_may_be_what_receives() -> None:
    assert OfTheAccount(Settings(), account="main").asset(a_conversion()) == "main"
    assert OfTheAccount(Settings()).asset(a_conversion()) == "default"
