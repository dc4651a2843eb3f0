"""Clicks in the ledger: found by their people and one hop further, replaced, forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa
from ledger_rows import NOW, rows

from target_adpostbacks.core.clicks import MOST_LINKS, Click
from target_adpostbacks.ledger import Ledger, UnusableLedger
from target_adpostbacks.ledger.clicks import Clicks, Found, Row

BEGIN = datetime(2026, 11, 1, tzinfo=timezone.utc)
ALWAYS = ("2000", "3000")


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with closing(Ledger(ledger_url, "run-1")) as made:
        made.start_run(NOW, "0.2.0")
        yield made


@pytest.fixture
def clicks(ledger: Ledger) -> Clicks:
    kept = ledger.clicks
    kept.begin()
    return kept


def a_click(click_id: str, network: str = "tiktok", day: int = 1, **changes: Any) -> Click:
    values = {"campaign_id": "111", "ad_group_id": None, "ad_id": None, **changes}
    return Click(network, click_id, "ttclid", {"ttp": "ö"}, BEGIN + timedelta(days=day), **values)


def row(*clicks: Click, people: tuple[str, ...] = (), links: tuple[tuple[str, str], ...] = (), at: str = NOW) -> Row:
    return Row(clicks, people, links, at)


def found(clicks: Clicks, *digests: str, connecting: tuple[str, ...] = ()) -> dict[str, list[str]]:
    answer = clicks.of_people(digests, connecting, *ALWAYS)
    return {digest: sorted(click.click_id for _, click in those) for digest, those in answer.clicks.items()}


def test_a_click_is_found_under_each_of_its_people(clicks: Clicks) -> None:
    click = a_click("a", ad_id="3")
    clicks.write([row(click, a_click("r", "reddit"), people=("d1", "d2")), row(a_click("other"), people=("d3",))])
    answer = clicks.of_people(["d1"], [], *ALWAYS)
    assert sorted(each.click_id for _, each in answer.clicks["d1"]) == ["a", "r"]
    assert click in [each for _, each in answer.clicks["d1"]]
    assert found(clicks, "d2", "d9") == {"d2": ["a", "r"]}


def test_a_click_that_comes_again_replaces_the_one_before(clicks: Clicks) -> None:
    clicks.write([row(a_click("a"), people=("d1",)), row(a_click("a"), people=("d1",))])
    clicks.write([row(a_click("a", day=2, campaign_id="222"), people=("d2",))])
    ((number, click),) = clicks.of_people(["d1"], [], *ALWAYS).clicks["d1"]
    assert (click.click_time, click.campaign_id) == (BEGIN + timedelta(days=2), "222")
    assert clicks.of_people(["d2"], [], *ALWAYS).clicks["d2"][0][0] == number


def test_one_hop_leads_from_those_that_connect_and_no_further(clicks: Clicks) -> None:
    clicks.write(
        [
            row(links=(("mail", "mobile"), ("mail", "desktop"), ("mobile", "second"))),
            row(a_click("a"), people=("mobile",)),
            row(a_click("b"), people=("second",)),
        ]
    )
    assert found(clicks, "mail", "desktop", connecting=("mail",)) == {"mobile": ["a"]}
    assert found(clicks, "mail", "desktop") == {}
    answer = clicks.of_people(["mail"], ["mail"], *ALWAYS)
    assert sorted(answer.others["mail"]) == ["desktop", "mobile"]


@pytest.mark.parametrize("links", [MOST_LINKS, MOST_LINKS + 1])
def test_what_is_linked_to_too_many_others_stands_for_nobody(clicks: Clicks, links: int) -> None:
    others = tuple(("kiosk", f"mail {number}") for number in range(links))
    clicks.write([row(links=others), row(a_click("a"), people=("kiosk",)), row(a_click("b"), people=("mail 1",))])
    is_busy = links > MOST_LINKS
    assert found(clicks, "mail 0", connecting=("mail 0",)) == ({} if is_busy else {"kiosk": ["a"]})
    assert found(clicks, "kiosk") == ({} if is_busy else {"kiosk": ["a"]})
    assert clicks.of_people(["kiosk", "mail 0"], ["mail 0"], *ALWAYS).busy == ({"kiosk"} if is_busy else frozenset())


def test_only_clicks_of_the_time_that_is_asked_for_are_found(clicks: Clicks) -> None:
    clicks.write([row(*(a_click(str(day), day=day) for day in range(4)), people=("d",))])
    since, until = (f"2026-11-0{day}T00:00:00.000+00:00" for day in (2, 3))
    assert sorted(click.click_id for _, click in clicks.of_people(["d"], [], since, until).clicks["d"]) == ["1", "2"]


def count(url: str, table: str) -> int:
    ((number,),) = rows(url, "COUNT(*)", table)
    return int(number)


def test_old_clicks_and_links_are_forgotten(clicks: Clicks, ledger_url: str) -> None:
    old = row(a_click("old"), people=("d",), links=(("d", "e"),), at="2026-10-01T00:00:00.000+00:00")
    clicks.write([old, row(a_click("new", day=9), people=("d",), links=(("d", "f"),), at=NOW)])
    assert clicks.expire("2026-11-05T00:00:00.000+00:00") == 1
    assert found(clicks, "d") == {"d": ["new"]}
    assert [count(ledger_url, name) for name in ("clicks", "click_identities", "identity_links")] == [1, 1, 2]


def test_a_click_id_that_fits_into_no_index_is_not_kept(clicks: Clicks) -> None:
    clicks.write([row(a_click("x" * 501), a_click("y" * 500), people=("d",))])
    assert found(clicks, "d") == {"d": ["y" * 500]}


def test_a_click_id_with_what_no_database_keeps_is_not_kept_and_holds_nothing_back(clicks: Clicks) -> None:
    clicks.write([row(a_click("x\0"), a_click("y"), people=("d",))])
    assert found(clicks, "d") == {"d": ["y"]}


def test_a_thousand_rows_at_once(clicks: Clicks) -> None:
    clicks.write([row(a_click(str(number)), people=(f"d{number}", "all")) for number in range(1_000)])
    assert len(found(clicks, "all")["all"]) == 1_000


def test_an_erased_persons_clicks_go_with_those_one_hop_away(ledger: Ledger, clicks: Clicks, ledger_url: str) -> None:
    clicks.write(
        [
            row(links=(("mail", "mobile"), ("mobile", "third"))),
            row(a_click("a"), people=("mail",)),
            row(a_click("b"), people=("mobile",)),
            row(a_click("c"), people=("another",), links=(("another", "x"),)),
        ]
    )
    ledger.erasure.erase(["mail"], "fingerprint", NOW)
    assert found(clicks, "mail", "mobile", "another") == {"another": ["c"]}
    assert [count(ledger_url, name) for name in ("clicks", "click_identities", "identity_links")] == [1, 1, 2]


def test_what_many_share_stays_known_for_that_when_one_of_them_is_erased(ledger: Ledger, clicks: Clicks) -> None:
    people = [f"d{number}" for number in range(MOST_LINKS + 2)]
    shared = [row(links=((each, "kiosk"),)) for each in people]
    clicks.write([*shared, row(a_click("a"), people=("kiosk",)), row(a_click("own"), people=("d0",))])
    ledger.erasure.erase(["d0"], "fingerprint", NOW)
    assert clicks.of_people(["kiosk", "d0"], ["d1"], *ALWAYS) == Found({}, {"d1": ["kiosk"]}, frozenset({"kiosk"}))


def test_without_clicks_there_is_no_table_and_erasing_works(ledger: Ledger, ledger_url: str) -> None:
    ledger.erasure.erase(["mail"], "fingerprint", NOW)
    engine = sa.create_engine(ledger_url)
    assert {"clicks", "click_identities", "identity_links"}.isdisjoint(sa.inspect(engine).get_table_names())
    engine.dispose()


def test_a_table_of_another_program_is_left_alone(ledger: Ledger, ledger_url: str) -> None:
    engine = sa.create_engine(ledger_url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE identity_links (digest TEXT)"))
    engine.dispose()
    with pytest.raises(UnusableLedger, match="the table `identity_links` belongs to another program"):
        ledger.clicks.begin()
