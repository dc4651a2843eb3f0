"""Statistics in the ledger: restated rows overwrite, sums are exact, and our own conversions are counted once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date
from typing import Any

import pytest
from ledger_rows import NOW, a_row, a_statistic, rows

from target_adpostbacks.core.performance.counting import Counting, Own, Spend, Window
from target_adpostbacks.ledger import Delivered, Ledger, LedgerReader

DAYS = Window(date(2026, 11, 20), date(2026, 11, 21))
PURCHASES = Counting(conversions=("purchase",), revenue=("purchase",))


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with closing(Ledger(ledger_url, "run-1")) as made:
        made.start_run(NOW, "0.2.0")
        yield made


def spent(url: str, window: Window = DAYS, network: str = "") -> list[Spend]:
    with LedgerReader(url) as reader:
        return sorted(reader.spend(window, network))


def owned(ledger: Ledger, url: str, *conversions: Delivered, counting: Counting = PURCHASES) -> list[Own]:
    ledger.write(NOW, conversions)
    with LedgerReader(url) as reader:
        return sorted(reader.own(counting, DAYS, ("generic",)))


def test_a_row_that_comes_again_replaces_the_one_before(ledger: Ledger, ledger_url: str) -> None:
    ledger.write_performance([a_statistic(), a_statistic(ad_id="A2")])
    ledger.write_performance([a_statistic(spend_micros=20_000_000, campaign_name="Summer")])
    columns = "ad_id, spend_micros, campaign_name, seq"
    assert rows(ledger_url, columns, "ad_performance") == [
        ("A1", 20_000_000, "Summer", 4),
        ("A2", 10_000_001, "Spring", 3),
    ]


def test_a_thousand_rows_and_one_are_written_and_added_up(ledger: Ledger, ledger_url: str) -> None:
    ledger.write_performance([a_statistic(ad_id=f"A{number}") for number in range(1_001)])
    (total,) = spent(ledger_url)
    assert (total.spend, total.impressions, total.clicks) == (1_001 * 10_000_001, 100_100, None)
    assert (total.conversions, total.value, total.seq) == (1_001 * 500_000, None, 1_002)


def test_sums_of_the_largest_figures_are_exact(ledger: Ledger, ledger_url: str) -> None:
    most = 10**18
    ledger.write_performance([a_statistic(ad_id=f"A{number}", spend_micros=most - number) for number in range(30)])
    assert [each.spend for each in spent(ledger_url)] == [30 * most - sum(range(30))]


def test_spend_is_of_the_days_and_the_network_that_are_asked_for(ledger: Ledger, ledger_url: str) -> None:
    others = [a_statistic(day=day) for day in ("2026-11-19", "2026-11-22")]
    ledger.write_performance([*others, a_statistic(network="reddit"), a_statistic(day="2026-11-21")])
    assert [(each.network, each.day) for each in spent(ledger_url)] == [
        ("reddit", "2026-11-20"),
        ("tiktok", "2026-11-21"),
    ]
    assert [each.day for each in spent(ledger_url, network="tiktok")] == ["2026-11-21"]


def test_a_stream_that_came_anew_as_a_whole_has_no_rows_of_before(ledger: Ledger, ledger_url: str) -> None:
    ledger.write_performance([a_statistic(), a_statistic(stream="other"), a_statistic(day="2026-11-19")])
    with closing(Ledger(ledger_url, "run-2")) as later:
        later.start_run(NOW, "0.2.0")
        later.write_performance([a_statistic(ad_id="A2")])
        assert later.forget_performance("ads", "2026-11-20") == 1
    left = sorted(rows(ledger_url, "stream, day, ad_id", "ad_performance"))
    assert left == [("ads", "2026-11-19", "A1"), ("ads", "2026-11-20", "A2"), ("other", "2026-11-20", "A1")]


def test_conversions_are_grouped_by_quarter_hours_with_exact_values(ledger: Ledger, ledger_url: str) -> None:
    times = ("2026-11-20T12:00:00.000+00:00", "2026-11-20T12:14:59.999+00:00", "2026-11-20T12:15:00.000+00:00")
    three = [a_row(time, event_time=time, campaign_id="c", value=0.1, currency="EUR") for time in times]
    three[1] = three[1]._replace(status=three[1].status._replace(status="rejected"))
    found = owned(ledger, ledger_url, *three)
    assert found == [
        Own("tiktok", "c", "purchase", "EUR", "2026-11-20T12", 0, 2, 1, 200_000, 100_000, 0),
        Own("tiktok", "c", "purchase", "EUR", "2026-11-20T12", 1, 1, 1, 100_000, 100_000, 0),
    ]


def test_one_conversion_at_two_pixels_counts_once_and_at_two_networks_twice(ledger: Ledger, ledger_url: str) -> None:
    same = [a_row(), a_row(asset="OTHER", status="rejected"), a_row(network="reddit", asset="t2", status="open")]
    found = owned(ledger, ledger_url, *same)
    assert [(each.network, each.conversions, each.delivered) for each in found] == [("reddit", 1, 0), ("tiktok", 1, 1)]


def test_an_account_that_is_a_network_counts_under_its_name(ledger: Ledger, ledger_url: str) -> None:
    both = [a_row(network="generic", account=name, asset=name) for name in ("taboola", "outbrain")]
    assert [each.network for each in owned(ledger, ledger_url, *both)] == ["outbrain", "taboola"]
    with LedgerReader(ledger_url) as reader:
        assert reader.networks_with_deliveries(("generic",)) == {"outbrain", "taboola"}


@pytest.mark.parametrize(
    "changes",
    [
        {"test": True},
        {"adjustment": "retract"},
        {"event_name": "add_to_cart"},
        {"event_time": None},
        {"network": "", "status": "skipped", "reason": "not_attributed"},
        {"status": "skipped", "reason": "no_consent"},
        {"status": "skipped", "reason": "by_rule"},
        {"status": "skipped", "reason": "outside_window"},
        {"event_time": "2026-11-18T23:59:59.999+00:00"},
        {"event_time": "2026-11-23T00:00:00.000+00:00"},
    ],
)
def test_what_does_not_count_is_not_in_it(ledger: Ledger, ledger_url: str, changes: dict[str, Any]) -> None:
    assert owned(ledger, ledger_url, a_row(**changes)) == []


def test_what_was_not_sent_for_the_networks_sake_counts(ledger: Ledger, ledger_url: str) -> None:
    skipped = [a_row(reason, "skipped", reason=reason) for reason in ("no_match_key", "too_old", "event_off")]
    (found,) = owned(ledger, ledger_url, *skipped, a_row("open", "open", reason="transient"))
    assert (found.conversions, found.delivered) == (4, 0)


def test_a_trial_is_delivered_only_where_nothing_is_live(ledger: Ledger, ledger_url: str) -> None:
    trial = {"asset": "PIXEL@http://127.0.0.1:8765"}
    found = owned(ledger, ledger_url, a_row("a", **trial), a_row("b", **trial), a_row("b", status="open"))
    assert [(each.conversions, each.delivered) for each in found] == [(2, 1)]


def test_conversions_count_on_the_day_of_their_click_where_that_is_asked_for(ledger: Ledger, ledger_url: str) -> None:
    clicked = a_row("a", click_time="2026-11-19T08:30:00.000+00:00")
    by_click = Counting(conversions=("purchase",), by="click")
    found = owned(ledger, ledger_url, clicked, a_row("b"), counting=by_click)
    told = [(each.hour, each.quarter, each.conversions, each.without_click_time) for each in found]
    assert told == [("2026-11-19T08", 2, 1, 0), ("2026-11-20T12", 0, 1, 1)]


def test_a_value_that_is_no_money_is_not_added(ledger: Ledger, ledger_url: str) -> None:
    (found,) = owned(ledger, ledger_url, a_row("a", value=1e300), a_row("b", value=2.0))
    assert (found.conversions, found.value) == (2, 2_000_000)


def test_retention_never_touches_statistics(ledger: Ledger, ledger_url: str) -> None:
    ledger.write_performance([a_statistic(extracted_at="2020-01-01T00:00:00.000+00:00", day="2019-12-31")])
    ledger.write(NOW, [a_row()])
    with closing(Ledger(ledger_url, "years later")) as later:
        later.expire("2030-01-01T00:00:00.000+00:00")
    assert rows(ledger_url, "day, spend_micros", "ad_performance") == [("2019-12-31", 10_000_001)]
    assert rows(ledger_url, "event_time, click_time") == [(None, None)]
