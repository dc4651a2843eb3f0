"""A compact ledger: of what was accepted a key and a day, of all else the row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import pytest
from ledger_rows import NOW, a_row, an_attempt, changes, rows

from target_adpostbacks.core.postback import Key
from target_adpostbacks.ledger import Ledger, UnusableLedger
from target_adpostbacks.ledger.compact import day, digest

LATER = "2026-11-21T12:06:00.000+00:00"
MAY = "2026-05-01T00:00:00.000+00:00"


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with closing(Ledger(ledger_url, "run-1", layout="compact")) as ledger:
        yield ledger


def keys(url: str) -> list[tuple[str, int]]:
    """The keys in hex, with their days."""
    kept = rows(url, "key, accepted_day", "accepted_keys")
    return sorted((key.hex() if isinstance(key, bytes) else key.hex, accepted_day) for key, accepted_day in kept)


def key(event_id: str, **changes: Any) -> str:
    """The key of a row in hex."""
    return digest(a_row(event_id, **changes).key).hex()


def test_of_what_was_accepted_a_key_and_a_day_are_kept(ledger: Ledger, ledger_url: str) -> None:
    ledger.write(NOW, [a_row(), a_row("evt-é")], [an_attempt()])
    assert keys(ledger_url) == sorted([(key("evt-1"), day(NOW)), (key("evt-é"), day(NOW))])
    assert changes(ledger_url) == []
    assert [row["attempt_id"] for row in changes(ledger_url, "attempts")] == ["a1"]
    assert day(NOW) == 20_777


def test_a_key_is_made_of_the_whole_identity_and_nothing_else() -> None:
    first = a_row(adjustment="retract").key
    others = [first._replace(**{name: "x"}) for name in Key._fields if name != "test"]  # type: ignore[arg-type]
    others.append(first._replace(test=True))
    assert len({digest(each) for each in (first, *others)}) == len(Key._fields) + 1
    assert digest(first._replace(network="ab", asset="c")) != digest(first._replace(network="a", asset="bc"))
    assert digest(a_row().key).hex() == "5e996d705d8e06d0e2da553503e41282"


@pytest.mark.parametrize("count", [1, 249, 250, 777])
def test_what_was_accepted_is_found_again_among_any_number(ledger: Ledger, count: int) -> None:
    ledger.write(NOW, [a_row(f"evt-{number}") for number in range(count)])
    asked = [a_row(f"evt-{number}").key for number in range(count + 5)]
    earlier = ledger.earlier(asked)
    assert [*earlier.values()] == [("accepted", "", None, None, "", "", None, None, None)] * count
    assert {*earlier} == {*asked[:count]}
    assert ledger.earlier([a_row("evt-0", adjustment="retract").key, a_row("evt-0", asset="OTHER").key]) == {}


@pytest.mark.parametrize("status", ["open", "rejected", "skipped"])
def test_whatever_is_not_accepted_keeps_its_row_until_it_is(ledger: Ledger, ledger_url: str, status: str) -> None:
    ledger.write(NOW, [a_row("evt-1", "open", reason="no_answer"), a_row("evt-2", "rejected")])
    ledger.write(NOW, [a_row("evt-1", status, reason="r"), a_row("evt-2", status, reason="r")])
    assert keys(ledger_url) == []
    assert [row["event_id"] for row in changes(ledger_url)][-1] == "evt-2"
    assert ledger.earlier([a_row("evt-2").key])[a_row("evt-2").key].status == status
    ledger.write(LATER, [a_row("evt-1"), a_row("evt-2")])
    assert changes(ledger_url) == changes(ledger_url, "history") == []
    assert keys(ledger_url) == sorted([(key("evt-1"), day(LATER)), (key("evt-2"), day(LATER))])


@pytest.mark.parametrize("status", ["open", "rejected", "skipped"])
def test_what_was_accepted_stays_accepted(ledger: Ledger, ledger_url: str, status: str) -> None:
    ledger.write(NOW, [a_row()])
    ledger.write(LATER, [a_row(status=status), a_row("evt-2", status), a_row("evt-3", "accepted")], [an_attempt()])
    assert [row["event_id"] for row in changes(ledger_url)] == ["evt-2"]
    assert keys(ledger_url) == sorted([(key("evt-1"), day(NOW)), (key("evt-3"), day(LATER))])
    ledger.write(LATER, [a_row()])
    assert (key("evt-1"), day(NOW)) in keys(ledger_url)


def test_tests_keep_their_rows(ledger: Ledger, ledger_url: str) -> None:
    ledger.write(NOW, [a_row(test=True)])
    assert rows(ledger_url) == [("evt-1", "accepted")]
    assert keys(ledger_url) == []
    assert ledger.earlier([a_row(test=True).key])[a_row(test=True).key].value == 19.99
    assert ledger.earlier([a_row().key]) == {}


def test_rows_that_are_not_kept_are_told_before_their_keys_are_there(ledger: Ledger, ledger_url: str) -> None:
    told: list[Mapping[str, Any]] = []
    ledger.tell = told.extend
    ledger.write(NOW, [a_row("evt-1", "open"), a_row("evt-2")])
    (row,) = told
    (kept,) = changes(ledger_url)
    assert {*row} == {*kept} - {"delivery_id"}
    assert (row["event_id"], row["value"], row["run_id"], row["updated_at"]) == ("evt-2", 19.99, "run-1", NOW)
    assert row["seq"] != kept["seq"]

    def fail(_: object) -> None:
        raise UnusableLedger("results_path: no space")

    ledger.tell = fail
    with pytest.raises(UnusableLedger, match="no space"):
        ledger.write(NOW, [a_row("evt-3")])
    assert ledger.earlier([a_row("evt-3").key]) == {}


def test_keys_are_forgotten_by_the_day_they_were_accepted(ledger: Ledger, ledger_url: str) -> None:
    many = [a_row(f"old-{number}", event_time=NOW) for number in range(300)]
    ledger.write(MAY, [*many, a_row("open", "open"), a_row("refused", "rejected")])
    ledger.write(NOW, [a_row("new", event_time=MAY)])
    ledger.expire(MAY, None)
    assert len(keys(ledger_url)) == 301
    ledger.expire(None, MAY)
    assert len(keys(ledger_url)) == 301
    ledger.expire(None, NOW)
    assert keys(ledger_url) == [(key("new"), day(NOW))]
    assert rows(ledger_url) == [("open", "open")]


def test_what_is_resolved_as_accepted_keeps_its_row_for_no_results_have_it(ledger: Ledger, ledger_url: str) -> None:
    ledger.write(NOW, [a_row(status="open", reason="no_answer"), a_row("evt-2", "open", reason="no_answer")])
    assert [row.event_name for row in ledger.resolve("evt-1", "accepted", LATER)] == ["purchase"]
    ledger.resolve("evt-2", "resend", LATER)
    assert keys(ledger_url) == []
    assert sorted(rows(ledger_url, "event_id, status, reason, message")) == [
        ("evt-1", "accepted", "", "resolved by hand"),
        ("evt-2", "open", "resend", "resolved by hand"),
    ]
    ledger.write(LATER, [a_row(status="skipped", reason="by_rule")])
    assert ledger.earlier([a_row().key])[a_row().key][:2] == ("accepted", "")
    assert [row.event_name for row in ledger.resolve("evt-1", "resend", LATER)] == ["purchase"]


def test_a_ledger_keeps_the_layout_that_it_was_made_with(ledger_url: str) -> None:
    Ledger(ledger_url, layout="compact").close()
    with pytest.raises(UnusableLedger) as refused:
        Ledger(ledger_url, layout="full")
    assert str(refused.value) == (
        "ledger: it was made with ledger_layout: compact, and the config has full; set ledger_layout: compact, or let"
        " ledger_url name a new ledger, which knows nothing of what this one has accepted"
    )
    with closing(Ledger(ledger_url, create=False)) as ledger:
        assert ledger.layout == "compact"


def test_a_full_ledger_is_never_made_compact(ledger_url: str) -> None:
    Ledger(ledger_url).close()
    with pytest.raises(UnusableLedger, match="made with ledger_layout: full, and the config has compact"):
        Ledger(ledger_url, layout="compact")
    with closing(Ledger(ledger_url, layout="full")) as ledger:
        assert ledger.layout == "full"


def test_who_was_sent_something_is_told_by_requests(ledger: Ledger) -> None:
    ledger.write(NOW, [a_row()], [an_attempt(events=3), an_attempt("a2", account="other", events=1)])
    told = [(row.network, row.account, row.conversions) for row in ledger.erasure.told_before(None)]
    assert told == [("tiktok", "default", 3), ("tiktok", "other", 1)]
