"""Spend beside conversions: the worked example, and what it does not show."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import date
from typing import Any

import golden
import pytest
from ledger_rows import NOW, a_row

from target_adpostbacks.config.performance import specs
from target_adpostbacks.core.performance.counting import Counting, Own, Spend, Window
from target_adpostbacks.core.performance.rows import plain, row_of
from target_adpostbacks.core.performance.statistics import parse
from target_adpostbacks.core.performance.table import Asked, Grouping, Table, table
from target_adpostbacks.ledger import Ledger, LedgerReader

Loads = Sequence[Iterable[tuple[str, dict[str, Any]]]]
TWICE: Loads = [[*golden.SPEND, *golden.SPEND]]
IN_TWO_RUNS: Loads = [golden.SPEND, golden.SPEND]


def loaded(url: str, loads: Loads) -> None:
    """A ledger with the example's rows, loaded one after the other, and its conversions."""
    read_by = specs(golden.PERFORMANCE, {})
    for load in loads:
        with closing(Ledger(url, "run")) as ledger:
            rows = [parse(record, read_by[stream], NOW) for stream, record in load]
            ledger.write_performance([*{row.key: row for row in rows}.values()])
            ledger.write(NOW, golden.own())


def read(url: str, by: Grouping = "campaign", network: str = "", **asked: Any) -> Table:
    counting = Counting()
    with LedgerReader(url) as ledger:
        spend = ledger.spend(golden.WINDOW, network)
        own = ledger.own(counting, golden.WINDOW, ("generic",), network)
        known = ledger.networks_with_deliveries()
    question = Asked(counting, golden.WINDOW, golden.TODAY, by, streams=[*golden.PERFORMANCE], known=known, **asked)
    return table(spend, own, question)


@pytest.mark.parametrize("loads", [[golden.SPEND], TWICE, IN_TWO_RUNS], ids=["once", "twice", "in two runs"])
def test_the_worked_example(ledger_url: str, loads: Loads) -> None:
    loaded(ledger_url, loads)
    rows = [plain(row) for row in read(ledger_url).rows]
    told = [{name: row[name] for name in expected} for row, expected in zip(rows, golden.ROWS, strict=True)]
    assert told == [*golden.ROWS]
    assert {row["time_zone"] for row in rows if row["network"] == "tiktok"} == {"America/Los_Angeles"}
    assert [row["conversions_delivered"] for row in rows] == [row["conversions_ours"] for row in golden.ROWS]
    assert all(row["provisional"] for row in rows)


def test_a_row_is_the_same_when_it_is_read_back(ledger_url: str) -> None:
    loaded(ledger_url, [golden.SPEND])
    rows = read(ledger_url).rows
    assert [row_of(json.loads(json.dumps(plain(row)))) for row in rows] == [*rows]


@pytest.mark.parametrize("by", ["network", "day"])
def test_totals_are_the_same_however_the_lines_are_grouped(ledger_url: str, by: Grouping) -> None:
    loaded(ledger_url, [golden.SPEND])
    grouped, campaigns = (read(ledger_url, each).rows for each in (by, "campaign"))
    totals = [[plain(row) for row in rows if row.network == "total"] for rows in (grouped, campaigns)]
    assert totals[0] == totals[1]


def test_a_network_adds_up_what_was_decided_for_its_campaigns(ledger_url: str) -> None:
    loaded(ledger_url, [golden.SPEND])
    tiktok = plain(read(ledger_url, "network").rows[0])
    assert (tiktok["network"], tiktok["campaign_id"], tiktok["spend"]) == ("tiktok", None, 250)
    used = ("conversions_used", "conversions_source", "revenue_used", "revenue_source")
    assert [tiktok[name] for name in used] == [24, "mixed", 340, "ours"]


def test_a_day_adds_up_what_was_decided_for_the_whole_window(ledger_url: str) -> None:
    loaded(ledger_url, [golden.SPEND])
    days = [plain(row) for row in read(ledger_url, "day").rows if row.currency == "USD"]
    told = [(row["network"], row["day"], row["conversions_used"], row["spend"]) for row in days]
    assert told == [(None, "2026-11-01", 19, 130), (None, "2026-11-02", 5, 150), ("total", None, 24, 280)]


def test_one_network_alone(ledger_url: str) -> None:
    loaded(ledger_url, [golden.SPEND])
    assert {row.network for row in read(ledger_url, network="meta").rows} == {"meta", "total"}


def spend(**changes: Any) -> Spend:
    values: dict[str, Any] = {
        "stream": "ads",
        "network": "tiktok",
        "account_id": "7",
        "day": "2026-11-01",
        "campaign_id": "1",
        "campaign_name": None,
        "currency": "USD",
        "time_zone": "",
        "spend": 10_000_000,
        "impressions": None,
        "clicks": None,
        "conversions": None,
        "value": None,
        "extracted_at": NOW,
        "seq": 1,
        **changes,
    }
    return Spend(**values)


def own(**changes: Any) -> Own:
    values: dict[str, Any] = {
        "network": "tiktok",
        "campaign_id": "1",
        "event": "install",
        "currency": None,
        "hour": "2026-11-01T12",
        "quarter": 0,
        "conversions": 1,
        "delivered": 1,
        "value": 0,
        "value_delivered": 0,
        "without_click_time": 0,
        **changes,
    }
    return Own(**values)


def of(spends: Sequence[Spend], owns: Iterable[Own] = (), **asked: Any) -> Table:
    window = Window(date(2026, 11, 1), date(2026, 11, 3))
    return table(spends, owns, Asked(Counting(), window, golden.TODAY, **asked))


def lines(made: Table, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(plain(row)[name] for name in names) for row in made.rows if row.network != "total"]


def test_of_two_streams_that_say_the_same_the_first_one_counts() -> None:
    both = [spend(stream="campaigns"), spend(stream="ads", spend=7_000_000), spend(stream="ads", day="2026-11-02")]
    made = of(both, streams=["campaigns", "ads"])
    assert lines(made, "spend") == [(20,)]
    assert made.lost == {"ads": "campaigns"}
    assert lines(of(both, streams=["ads"]), "spend") == [(17,)]


def test_an_account_that_one_stream_does_not_know_is_the_others() -> None:
    unknown = spend(stream="second", account_id="")
    assert lines(of([spend(stream="first"), unknown]), "spend") == [(10,)]
    assert lines(of([spend(stream="first"), spend(stream="second", account_id="8")]), "spend") == [(20,)]


def test_of_a_renamed_campaign_the_newest_name_is_told_and_it_stays_one_line() -> None:
    renamed = [spend(seq=2, campaign_name="New", day="2026-11-02"), spend(campaign_name="Old")]
    assert lines(of(renamed), "campaign_name", "spend") == [("New", 20)]


def test_an_account_that_changed_its_currency_has_two_lines_and_our_conversions_are_in_one() -> None:
    changed = [spend(conversions=5_000_000), spend(seq=2, currency="EUR", day="2026-11-02", conversions=6_000_000)]
    made = lines(of(changed, [own(conversions=4)]), "currency", "conversions_ours", "conversions_used")
    assert sorted(made) == [("EUR", 4, 4), ("USD", 0, 0)]


def test_a_network_without_spend_has_the_currency_of_its_revenue() -> None:
    sale = own(
        network="x", campaign_id="", event="purchase", currency="CHF", value=5_000_000, value_delivered=5_000_000
    )
    made = of([], [sale, own(network="x", campaign_id="9"), own(network="y", campaign_id="")])
    assert lines(made, "network", "campaign_id", "currency", "revenue_used", "spend") == [
        ("x", None, "CHF", 5, None),
        ("x", "9", "CHF", 0, None),
        ("y", None, None, 0, None),
    ]
    assert [row.currency for row in made.rows if row.network == "total"] == ["CHF", None]


def test_conversions_of_a_campaign_without_spend_are_cut_in_the_networks_zone_if_it_has_one() -> None:
    late = own(campaign_id="other", hour="2026-11-04T07")
    berlin, pacific = spend(time_zone="Europe/Berlin"), spend(time_zone="America/Los_Angeles", campaign_id="2")
    assert len(lines(of([pacific], [late]), "network")) == 2
    assert len(lines(of([pacific, berlin], [late]), "network")) == 2
    assert len(lines(of([pacific, berlin], [late], default_zone="America/Los_Angeles"), "network")) == 3


def test_nothing_is_used_where_nobody_has_a_number() -> None:
    assert lines(of([spend()]), "conversions_ours", "conversions_used", "conversions_source") == [(0, None, None)]
    assert lines(of([spend()], known={"tiktok"}), "conversions_used", "conversions_source") == [(0, "ours")]


def test_what_the_ledger_has_forgotten_is_none_and_the_networks_number_stands_in() -> None:
    days = [spend(conversions=2_000_000), spend(day="2026-11-02", conversions=3_000_000)]
    told = lines(
        of(days, [own(), own(hour="2026-11-02T12")], by="day", forgotten="2026-11-01"), "day", "conversions_ours"
    )
    assert told == [("2026-11-01", None), ("2026-11-02", 1)]
    whole = of(days, [own()], forgotten="2026-11-03")
    assert lines(whole, "conversions_ours", "conversions_used", "conversions_source") == [(None, 5, "network")]


def test_fractions_of_conversions_and_the_zone_that_is_assumed_are_told() -> None:
    made = of([spend(conversions=1_500_000)])
    assert lines(made, "conversions_network", "cpa", "time_zone") == [(1.5, 6.666667, "UTC")]
    assert made.zones == {"tiktok": {""}}


def test_a_line_whose_days_are_old_is_no_longer_provisional() -> None:
    made = table([spend()], [], Asked(Counting(), golden.WINDOW, date(2026, 11, 29)))
    assert [row.provisional for row in made.rows] == [False, False]
    made = table([spend()], [], Asked(Counting(), golden.WINDOW, date(2026, 11, 28)))
    assert [row.provisional for row in made.rows] == [True, True]


def test_one_conversion_may_count_and_earn() -> None:
    counting = Counting(conversions=("purchase",), revenue=("purchase",))
    sale = own(event="purchase", currency="USD", conversions=2, value=30_000_000, value_delivered=10_000_000)
    (row, _) = table([spend()], [sale], Asked(counting, golden.WINDOW, golden.TODAY)).rows
    told = plain(row)
    assert [told[name] for name in ("conversions_ours", "cpa", "revenue_ours", "revenue_delivered", "roas")] == [
        2,
        5,
        30,
        10,
        3,
    ]


def test_deliveries_make_a_network_known(ledger_url: str) -> None:
    with closing(Ledger(ledger_url, "run")) as ledger:
        ledger.write(NOW, [a_row(event_name="lead")])
    with LedgerReader(ledger_url) as reader:
        assert reader.networks_with_deliveries() == {"tiktok"}
