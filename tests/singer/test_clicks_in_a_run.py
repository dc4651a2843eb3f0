"""The real command with a stream of clicks: what conversions are sent with, state, the run's last lines, the ledger."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE
from run_target import NOW, Ran, Target, a_purchase, record, schema, state

from target_adpostbacks.sandbox import Sandbox

pytestmark = [pytest.mark.slow, pytest.mark.machine_clock]

ADPOSTBACKS = str(Path(sys.executable).with_name("adpostbacks"))
KEY = "a key of the tests, thirty-two characters"


@pytest.fixture
def target(tmp_path: Path, sandbox: Sandbox) -> Target:
    return Target(tmp_path, sandbox.url, clicks={"stream": "ad_clicks"}, erasure_key=KEY)


def ago(days: float) -> str:
    return (NOW - timedelta(days=days)).isoformat()


def click(**columns: Any) -> dict[str, Any]:
    return record("ad_clicks", **{"click_time": ago(2), **columns})


LINKS = [click(anonymous_id=visitor, email="user@example.com") for visitor in ("mobile", "desktop")]
CLICKS = [click(anonymous_id="mobile", ttclid="E.C.P.xyz123"), click(anonymous_id="mobile", rdt_cid="318474204529")]
ORDER = {"network": None, "ttclid": None, "anonymous_id": "desktop", "email": "user@example.com"}


def order(number: int = 1, **columns: Any) -> dict[str, Any]:
    return record(
        **{name: value for name, value in {**a_purchase(number), **ORDER, **columns}.items() if value is not None}
    )


def of_clicks(ran: Ran) -> str:
    return next((line.partition(" clicks: ")[2] for line in ran.stderr.splitlines() if " clicks: " in line), "")


def test_an_order_gets_the_clicks_that_its_person_had_on_another_device(target: Target, sandbox: Sandbox) -> None:
    lines = [schema("ad_clicks"), *LINKS, *CLICKS, state({"n": 1}), schema(), order(), state({"n": 2})]
    ran = target.run(lines)
    assert ran.code == 0, ran.stderr
    assert ran.states[-1] == {"n": 2}
    assert ran.summary.startswith("read 1, outcomes 2, accepted 2,")
    assert of_clicks(ran) == "4 rows, 1 conversion got one"
    assert {event["payload"]["user"].get("ttclid") for event in sandbox.received} >= {"E.C.P.xyz123"}
    rows = sorted(target.rows("network, match_keys, stitched_by, click_row, click_time"))
    assert [(network, by, row) for network, _, by, row, _ in rows] == [("reddit", "email", 2), ("tiktok", "email", 1)]
    assert all("click_id" in keys or "ttclid" in keys for _, keys, *_ in rows)
    assert all(time[:19] == ago(2)[:19] for *_, time in rows)


def test_clicks_of_an_earlier_run_are_found_and_a_late_one_causes_no_second_post(target: Target) -> None:
    assert target.run([schema("ad_clicks"), *LINKS, CLICKS[0], state({"n": 1})]).states == [{"n": 1}]
    assert target.run([schema(), order()]).summary.startswith("read 1, accepted 1,")
    again = target.run(
        [
            schema("ad_clicks"),
            CLICKS[0],
            click(anonymous_id="mobile", ttclid="later", click_time=ago(1)),
            schema(),
            order(),
        ]
    )
    assert again.summary.startswith("read 1, accepted 0, already accepted 1")


def test_an_order_without_a_click_is_tried_again_when_it_comes_again(target: Target) -> None:
    first = target.run([schema(), order()])
    assert first.summary.startswith("read 1, accepted 0, already accepted 0, rejected 0, skipped 1 (not_attributed 1)")
    assert of_clicks(first) == ""
    second = target.run([schema("ad_clicks"), *LINKS, *CLICKS, schema(), order()])
    assert second.summary.startswith("read 1, outcomes 2, accepted 2,")


def test_rows_that_are_no_use_are_counted_and_hold_nothing_back(target: Target) -> None:
    bad = [click(anonymous_id="canary-7f3a"), click(ttclid="x"), click(anonymous_id="m", ttclid="x", consent=False)]
    ran = target.run([schema("ad_clicks"), *bad, CLICKS[0], state({"n": 1})])
    assert (ran.code, ran.states) == (0, [{"n": 1}])
    assert of_clicks(ran) == "1 row, 3 left out (no_consent 1, nothing_to_keep 2), 0 conversions got one"
    assert "canary" not in ran.stderr


def test_an_erased_persons_clicks_are_deleted_and_not_kept_again(target: Target) -> None:
    target.run([schema("ad_clicks"), *LINKS, *CLICKS])
    erased = target.start(command=(ADPOSTBACKS, "erase", "--email", "user@example.com"))
    _, err = erased.communicate(timeout=PATIENCE)
    assert erased.returncode == 0, err
    assert target.rows("id", "clicks") == []
    again = target.run([schema("ad_clicks"), *LINKS, click(email="user@example.com", ttclid="new")])
    assert of_clicks(again) == "0 rows, 3 left out (suppressed 3), 0 conversions got one"


def test_old_clicks_are_forgotten_at_the_end_of_a_run(target: Target) -> None:
    target.run([schema("ad_clicks"), click(anonymous_id="m", ttclid="old", click_time=ago(36)), *CLICKS])
    assert [row[0] for row in target.rows("click_id", "clicks")] == ["E.C.P.xyz123", "318474204529"]


def test_no_value_of_a_person_is_kept(target: Target) -> None:
    target.run([schema("ad_clicks"), *LINKS, *CLICKS, schema(), order()])
    for file in target.folder.glob("adpostbacks.db*"):
        data = file.read_bytes()
        assert not any(value in data for value in (b"user@example.com", b"desktop", b"mobile"))


def test_without_the_setting_there_is_no_table(target: Target) -> None:
    del target.config["clicks"]
    target.run([schema(), order(ttclid="E.C.P.own")])
    names = [row[0] for row in target.rows("name", "sqlite_master")]
    assert not {"clicks", "click_identities", "identity_links"}.intersection(names)


def test_many_orders_are_looked_up_together(target: Target) -> None:
    people = [click(email=f"user{n}@example.com", ttclid=f"E.C.P.{n}") for n in range(1_200)]
    orders = [order(n, email=f"user{n}@example.com", anonymous_id=None) for n in range(1_200)]
    ran = target.run([schema("ad_clicks"), *people, schema(), *orders, state({"n": 1})])
    assert (ran.code, ran.states) == (0, [{"n": 1}])
    assert ran.summary.startswith("read 1200, accepted 1200,")
    assert of_clicks(ran) == "1200 rows, 1200 conversions got one"


def test_a_purchase_that_says_its_click_itself_keeps_it(target: Target, sandbox: Sandbox) -> None:
    target.run([schema("ad_clicks"), *LINKS, *CLICKS, schema(), order(ttclid="E.C.P.own", network="tiktok")])
    assert [event["payload"]["user"]["ttclid"] for event in sandbox.received] == ["E.C.P.own"]
    assert target.rows("stitched_by") == [(None,)]
