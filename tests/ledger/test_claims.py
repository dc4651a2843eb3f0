"""Claims: of an identity one living run has it, and what a dead one had sent is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from ledger_rows import NOW, a_row, changes

from target_adpostbacks.core.postback import Key
from target_adpostbacks.ledger import Ledger, UnusableLedger
from target_adpostbacks.ledger.claims import DIED, Claims

Begin = Callable[..., Claims]


@pytest.fixture
def begin(ledger_url: str) -> Iterator[Begin]:
    """Begins a run of a task."""
    with ExitStack() as ledgers:

        def begun(owner: str, run_id: str = "", lease_seconds: float = 60) -> Claims:
            ledger = Ledger(ledger_url, run_id or owner)
            ledgers.callback(ledger.close)
            claims = ledger.claims(owner, lease_seconds)
            claims.begin()
            return claims

        yield begun


def key(event_id: str, **changes: object) -> Key:
    return Key("tiktok", "PIXEL", "purchase", event_id, "", False)._replace(**changes)  # type: ignore[arg-type]


A, B, C = (key(event_id) for event_id in "abc")


def age(url: str, seconds: float) -> None:
    """Let time pass for every claim."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE claim_owners SET until = until - :seconds"), {"seconds": seconds})
        connection.execute(sa.text("UPDATE claims SET requested_at = requested_at - :seconds"), {"seconds": seconds})
    engine.dispose()


def left(url: str) -> int:
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        (count,) = connection.execute(sa.text("SELECT count(*) FROM claims")).one()
    engine.dispose()
    return int(count)


def test_of_what_two_claim_one_has_it(begin: Begin) -> None:
    one, other = begin("one"), begin("other")
    assert one.take([A, B], "default") == {A: None, B: None}
    assert other.take([B, C], "default") == {C: None}
    assert {*one.request([A, B])} == {A, B}
    assert {*other.of_others([A, B, C])} == {A, B}
    one.free([B])
    assert other.take([B], "default") == {B: None}


def test_an_identity_is_all_of_its_parts(begin: Begin) -> None:
    one, other = begin("one"), begin("other")
    others = [
        A._replace(event_name="lead"),
        A._replace(adjustment="retract"),
        A._replace(test=True),
        A._replace(event_id="ä'\"\\ \u2028"),
    ]
    assert one.take([A], "default").keys() == {A}
    assert other.take([A, *others], "default").keys() == {*others}
    assert other.take([A._replace(asset="PIXEL-2")], "default")
    assert other.take([A._replace(network="reddit")], "default")
    assert {*one.request([A, *others])} == {A}
    one.free([A, *others])
    assert {*other.request(others)} == {*others}


def test_what_has_nul_is_claimed_as_what_is_stored(begin: Begin) -> None:
    one, other = begin("one"), begin("other")
    strange = key("a\0b", asset="PI\0XEL")
    assert one.take([strange, strange._replace(event_id="ab")], "default").keys() == {
        strange,
        strange._replace(event_id="ab"),
    }
    assert other.take([strange], "default") == {}
    assert {*one.request([strange])} == {strange}


def test_what_a_dead_run_has_not_sent_is_free_and_what_it_has_is_told(begin: Begin, ledger_url: str) -> None:
    dead, heir = begin("dead"), begin("heir")
    dead.take([A, B], "default")
    dead.request([B])
    assert heir.take([A, B], "default") == {}
    age(ledger_url, 3600)
    assert heir.renew()
    taken = heir.take([A, B, C], "default")
    assert (taken[A], taken[C]) == (None, None)
    assert taken[B] == pytest.approx(3600, abs=30)
    assert {*heir.request([B])} == {B}
    age(ledger_url, 100)
    (silent_for,) = begin("third").take([B], "default").values()
    assert silent_for == pytest.approx(3700, abs=30)  # since the first time


def test_who_has_lost_a_claim_may_not_send(begin: Begin, ledger_url: str) -> None:
    slow, quick = begin("slow"), begin("quick")
    slow.take([A, B], "default")
    age(ledger_url, 3600)
    assert quick.renew()
    assert quick.take([A], "default") == {A: None}
    assert {*slow.request([A, B])} == {B}  # nobody took that
    slow.free([A, B])
    assert {*quick.request([A])} == {A}
    assert slow.take([A, B], "default").keys() == {B}


def test_a_lease_is_moved_on_by_every_use(begin: Begin, ledger_url: str) -> None:
    one, other = begin("one", lease_seconds=600), begin("other", lease_seconds=6000)
    one.take([A], "default")
    for use in (one.renew, lambda: one.request([A]), lambda: one.take([B], "default")):
        age(ledger_url, 400)
        assert use()
        assert other.take([A], "default") == {}
    age(ledger_url, 601)
    assert other.take([A], "default").keys() == {A}


def test_a_later_run_of_the_same_name_takes_over_at_once(begin: Begin) -> None:
    first = begin("task-7", "run-1")
    first.take([A, B], "default")
    first.request([A])
    second = begin("task-7", "run-2")
    taken = second.take([A, B], "default")
    assert taken[A] is not None
    assert taken[B] is None
    assert not first.renew()
    assert first.take([C], "default") == {}
    assert first.request([A, B]) == ()


def test_what_was_answered_is_no_longer_in_doubt(begin: Begin, ledger_url: str) -> None:
    one = begin("one")
    one.take([A, B, C], "default")
    one.request([A, B, C])
    with closing(Ledger(ledger_url, "x")) as ledger, ledger._writing(0) as (connection, _):
        one.settle(connection, [A], [B])
    taken = begin("one", "later").take([A, B, C], "default")
    assert (taken[A], taken[B]) == (None, None)
    assert taken[C] is not None


def test_a_table_of_another_program_is_left_alone(begin: Begin, ledger_url: str) -> None:
    Ledger(ledger_url).close()
    engine = sa.create_engine(ledger_url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE claims (claim_id INTEGER)"))
    with pytest.raises(UnusableLedger, match="the table `claims` belongs to another program"):
        begin("one")
    with closing(Ledger(ledger_url)) as ledger:
        ledger.write(NOW, [a_row(status="open", reason="no_answer")])
        assert ledger.resolve("evt-1", "resend", NOW)
    assert sa.inspect(engine).get_table_names().count("claims") == 1
    engine.dispose()


def test_an_asset_is_shared_by_those_that_claim_and_by_nobody_else(ledger_url: str) -> None:
    one, other, alone = (Ledger(ledger_url, run_id) for run_id in ("one", "other", "alone"))
    assert one.claim("tiktok", "PIXEL", shared=True)
    assert other.claim("tiktok", "PIXEL", shared=True)
    assert one.claim("tiktok", "PIXEL", shared=True)
    one.close()
    assert not alone.claim("tiktok", "PIXEL")
    assert alone.claim("tiktok", "PIXEL-2")
    other.close()
    assert alone.claim("tiktok", "PIXEL")
    late = Ledger(ledger_url, "late")
    assert not late.claim("tiktok", "PIXEL", shared=True)
    alone.close()
    assert late.claim("tiktok", "PIXEL", shared=True)
    late.close()


def test_who_shares_an_asset_finds_out_that_its_file_was_deleted(tmp_path: Path) -> None:
    with closing(Ledger(f"sqlite:///{tmp_path}/ledger.db", "one")) as ledger:
        assert ledger.claim("tiktok", "PIXEL", shared=True)
        (file,) = (tmp_path / ".ledger.db.locks").iterdir()
        assert file.stat().st_mode & 0o777 == 0o600
        file.unlink()
        with pytest.raises(UnusableLedger, match="was lost with its connection or file"):
            ledger.claim("tiktok", "PIXEL", shared=True)


def test_at_its_end_a_run_gives_up_all_but_what_is_in_doubt(begin: Begin, ledger_url: str) -> None:
    one, other = begin("one"), begin("other")
    one.take([A, B], "default")
    other.take([C], "default")
    one.request([B])
    one.end()
    taken = other.take([A, B], "default")
    assert taken[A] is None
    assert taken[B] is not None
    other.free([A, B, C])
    assert left(ledger_url) == 0


def test_what_died_long_ago_is_written_as_unanswered_and_forgotten(begin: Begin, ledger_url: str) -> None:
    dead, ended, alive, tidy = begin("dead"), begin("ended"), begin("alive"), begin("tidy")
    dead.take([A, B, key("known"), key("taken")], "default")
    dead.request([A, key("known"), key("taken")])
    ended.take([key("left")], "other")
    ended.request([key("left")])
    ended.end()
    alive.take([C], "default")
    alive.request([C])
    with closing(Ledger(ledger_url, "run-1")) as ledger:
        ledger.write(NOW, [a_row("known", "open", reason="no_answer", sent_at=NOW), a_row("taken")])
        tidy.put_away(NOW, str, ledger.earlier)
        assert left(ledger_url) == 6
        age(ledger_url, 25 * 3600)
        assert alive.renew()
        tidy.put_away(NOW, lambda seconds: f"{seconds / 3600:.0f} hours ago", ledger.earlier)
    assert alive.request([C]) == [C]
    assert left(ledger_url) == 1
    rows = {row["event_id"]: row for row in changes(ledger_url)}
    assert {event_id: (row["reason"], row["sent_at"], row["run_id"]) for event_id, row in rows.items()} == {
        "known": ("no_answer", NOW, "run-1"),
        "taken": ("", "2026-11-20T12:05:00.000+00:00", "run-1"),
        "a": ("no_answer", "25 hours ago", "dead"),
        "left": ("no_answer", "25 hours ago", "ended"),
    }
    assert (rows["left"]["account"], rows["a"]["message"]) == ("other", DIED)


def test_of_many_that_claim_at_once_each_identity_has_one(begin: Begin) -> None:
    tasks = [begin(f"task-{number}") for number in range(4)]
    keys = [key(f"evt-{number}") for number in range(300)]
    orders = [keys, keys[::-1], keys[150:] + keys[:150], keys[::2] + keys[1::2]]

    def claim(number: int) -> list[Key]:
        order, had = orders[number], list[Key]()
        for start in range(0, 300, 30):
            taken = tasks[number].take(order[start : start + 30], "default")
            had += tasks[number].request([*taken]) if taken else []
        return had

    with ThreadPoolExecutor(4) as pool:
        shares = [*pool.map(claim, range(4))]
    assert sorted(each for share in shares for each in share) == sorted(keys)
