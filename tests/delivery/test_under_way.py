"""A key that comes again while it is under way follows the first one's verdict."""

from __future__ import annotations

from conftest import NOW, a_conversion, an_account

from target_adpostbacks.core.postback import prepare
from target_adpostbacks.delivery.queued import UNMARKED, Queued
from target_adpostbacks.delivery.under_way import UnderWay


def queued(event_id: str) -> Queued:
    return Queued(prepare(an_account(), a_conversion(event_id=event_id), NOW), UNMARKED)


def of_order(event_id: str, order_id: str, **columns: object) -> Queued:
    """For a network that takes what has one order id for one conversion."""
    conversion = a_conversion(event_id=event_id, order_id=order_id, network="google", gclid="G", **columns)
    return Queued(prepare(an_account("google_ads"), conversion, NOW), UNMARKED)


def test_only_the_first_of_a_key_is_sent_and_the_others_are_released_with_it() -> None:
    under_way = UnderWay()
    first, other, again = queued("a"), queued("b"), queued("a")
    assert under_way.claim([first, other]) == [first, other]
    assert under_way.claim([again]) == []
    assert [*map(len, under_way.all())] == [2, 1]
    assert under_way.release([other]) == []
    ((one, another),) = under_way.release([first])
    assert one is first
    assert another is again
    assert under_way.all() == []


def test_a_key_may_come_again_once_it_is_released() -> None:
    under_way = UnderWay()
    first, again = queued("a"), queued("a")
    under_way.claim([first])
    under_way.release([first])
    assert under_way.claim([again]) == [again]


def test_what_was_released_before_is_not_under_way_even_if_its_key_came_again() -> None:
    under_way = UnderWay()
    first, again = queued("a"), queued("a")
    under_way.claim([first])
    under_way.release([first])
    under_way.claim([again])
    assert under_way.still([first]) == []
    assert under_way.still([again])[0] is again


def test_a_turn_is_that_of_one_key_until_all_who_took_it_are_released() -> None:
    under_way = UnderWay()
    first, again, other = of_order("a", "1"), of_order("a", "1"), of_order("b", "1")
    assert under_way.take_turn(first)
    assert under_way.take_turn(again)
    assert not under_way.take_turn(other)
    under_way.claim([first])
    under_way.release([first])
    assert not under_way.take_turn(other)  # the first came twice
    under_way.claim([again])
    under_way.release([again])
    assert under_way.take_turn(other)


def test_what_the_network_does_not_take_for_the_same_has_a_turn_of_its_own() -> None:
    under_way = UnderWay()
    others = [of_order("b", "2"), of_order("c", "1", event_name="lead"), of_order("d", "1", test=True)]
    assert all(map(under_way.take_turn, [of_order("a", "1"), *others]))
    assert all(map(under_way.take_turn, [queued("a"), queued("b")]))
