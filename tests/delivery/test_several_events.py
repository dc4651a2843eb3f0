"""A conversion that is several events of its network: one postback, one row, one verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import pytest
from conftest import NOW, a_conversion, an_account

from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.answers import JSON, Outcome, Request, Response, Verdict
from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.network import Limits
from target_adpostbacks.core.postback import prepare
from target_adpostbacks.delivery.batches import Batches
from target_adpostbacks.delivery.exchange import Exchange
from target_adpostbacks.delivery.lane import Lane
from target_adpostbacks.delivery.queued import UNMARKED, Queued
from target_adpostbacks.networks.tiktok import TikTok

A, R, T, C = (
    Outcome(verdict, message=verdict.value)
    for verdict in (Verdict.ACCEPTED, Verdict.REJECTED, Verdict.TRANSIENT, Verdict.CREDENTIALS)
)


class Several(TikTok):
    """Each conversion is as many events as its ``num_items`` says; ``told`` is what the network says of each."""

    told: tuple[Outcome, ...] = ()

    def payload(self, conversion: Conversion) -> JSON:
        events = [{"n": number} for number in range(conversion.num_items or 1)]
        return events if len(events) > 1 else events[0]

    def match_keys(self, payload: Mapping[str, JSON]) -> Iterable[str]:
        return ()

    def note(self, payload: Mapping[str, JSON]) -> str:
        return ""

    def limits(self, envelope: Mapping[str, JSON]) -> Limits:
        return Limits(events=4)

    def outcomes(self, response: Response, count: int) -> list[Outcome]:
        assert count == len(self.told)
        return [*self.told]


def an_account_of(told: tuple[Outcome, ...] = ()) -> Account:
    network = an_account().network
    assert isinstance(network, TikTok)
    several = Several(network.settings)
    several.told = told
    return Account(section="tiktok", network=several)


def queued(account: Account, number: int, events: int) -> Queued:
    return Queued(prepare(account, a_conversion(event_id=f"evt-{number}", num_items=events), NOW), UNMARKED)


@pytest.mark.parametrize(
    ("sizes", "batches"),
    [
        ([1, 1, 1, 1, 1], [4]),
        ([2, 2, 1], [2]),
        ([2, 1, 2], [2]),
        ([1, 4], [1, 1]),
        ([5, 1], [1]),
        ([1, 5], [1, 1]),
    ],
)
def test_a_request_holds_as_many_events_as_the_network_takes(sizes: list[int], batches: list[int]) -> None:
    account = an_account_of()
    filling = Batches(account)
    full = [each for n, size in enumerate(sizes) for each in filling.add(queued(account, n, size))]
    assert [len(batch) for batch in full] == batches
    assert sum(len(batch) for batch in [*full, *filling.due()]) == len(sizes)


def test_fewer_rows_in_a_request_are_fewer_conversions() -> None:
    account = an_account_of()
    filling = Batches(account, 2)
    full = [each for number in range(2) for each in filling.add(queued(account, number, 1))]
    assert [len(batch) for batch in full] == [2]


@pytest.mark.parametrize(
    ("told", "verdicts"),
    [
        ((A, A, A, A), [A, A, A]),
        ((R, A, A, A), [R, A, A]),
        ((A, A, R, A), [A, R, A]),
        ((A, A, A, R), [A, A, R]),
        ((A, R, T, A), [A, R, A]),
        ((A, T, R, A), [A, R, A]),
        ((T, T, A, A), [T, T, A]),
        ((A, A, T, A), [A, T, A]),
        ((C, C, C, C), [C, C, C]),
    ],
)
def test_a_conversion_is_accepted_only_when_all_its_events_are(
    told: tuple[Outcome, ...], verdicts: list[Outcome]
) -> None:
    account = an_account_of(told)
    sent: list[Any] = []

    def transport(request: Request, timeout_seconds: float) -> Response:
        sent.append(msgspec.json.decode(msgspec.json.encode(request.body)))
        return Response(status=200)

    lane = Lane(account, lambda _seconds: False, lambda _text: None)
    batch = [queued(account, number, events) for number, events in enumerate((1, 2, 1))]
    answer = Exchange(lane, transport, lambda: NOW).send(batch, NOW.isoformat(), 1, None)
    assert answer.outcomes == verdicts
    assert sent[0]["data"] == [{"n": 0}, {"n": 0}, {"n": 1}, {"n": 0}]
    assert answer.attempt["events"] == 3
    lane.close()
