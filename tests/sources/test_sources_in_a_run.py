"""Sources in a whole run: what is sent, written down, logged and counted; with workers and without."""

from __future__ import annotations

import json
import logging
import pickle
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from canaries import left_behind
from click.testing import CliRunner
from conftest import NOW, SETTINGS
from eager import command
from run_target import COMMAND, Target, record, schema, state
from sourced import cases, preparation

from target_adpostbacks import deliver
from target_adpostbacks.cli.doctor import doctor
from target_adpostbacks.cli.log import log
from target_adpostbacks.cli.preview import preview
from target_adpostbacks.core.prepared import Prepared
from target_adpostbacks.sandbox import Sandbox
from target_adpostbacks.workers.records import Records
from target_adpostbacks.workers.work import packed, unpacked

pytestmark = pytest.mark.machine_clock

JUST_NOW = (datetime.now(timezone.utc) - timedelta(minutes=1)).isoformat()
PAID = {"financial_status": "paid", "processed_at": JUST_NOW, "total_price": 10, "currency": "EUR"}
ROWS = [{"name": "paid", "when": "at('paid')", "event": "purchase", "each": True}, {"event": "lead"}]
MINE = {"fields": {"event_id": "id", "event_time": "at"}, "rows": ROWS, "streams": ["orders"]}


def a_config(folder: Path, sandbox: Sandbox, **top: Any) -> dict[str, Any]:
    section = {**SETTINGS["tiktok"], "base_url": sandbox.url}
    return {"ledger_url": f"sqlite:///{folder}/ledger.db", **top, "tiktok": section}


def an_order(number: int, **changes: Any) -> dict[str, Any]:
    return {"id": number, **PAID, "note_attributes": [{"name": "ttclid", "value": "E.1"}], **changes}


def test_a_run_counts_conversions_where_rows_are_several(
    tmp_path: Path, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    page = {"event_source_url": "https://shop.example.com/"}
    config = a_config(tmp_path, sandbox, source="mine", sources={"mine": MINE}, defaults=page)
    rows = [{"id": n, "at": JUST_NOW, "ttclid": "E.1", "paid": n < 3} for n in range(1, 6)]
    tally = deliver(rows, config)
    assert (tally.read, tally.conversions, tally.accepted) == (5, 7, 7)
    assert "read 5 (7 conversions), accepted 7" in caplog.text
    assert deliver(rows, config).already_accepted == 7


def test_streams_that_no_source_reads_have_no_row_and_are_counted(
    tmp_path: Path, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    config = a_config(tmp_path, sandbox, source="mine", sources={"mine": MINE})
    tally = deliver([{"id": n} for n in range(3)], config, stream="customers")
    assert (tally.read, tally.outcomes, tally.skipped) == (3, 3, {"by_rule": 3})
    assert caplog.text.count("Stream customers: no source of the config reads it") == 1
    assert "source mine: no record of the run was a row of it" in caplog.text
    shown = CliRunner().invoke(log, ["--ledger-url", config["ledger_url"], "--format", "jsonl"])
    assert shown.stdout == ""


def test_a_run_says_what_its_source_can_not_know_and_which_paths_fitted_nothing(
    tmp_path: Path, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    config = a_config(tmp_path, sandbox, source="shopify_orders", fields={"city": "shipping.town", "email": "email"})
    deliver([{**an_order(1, email="a@example.com"), "total_price": None}], config)
    said = [record.message for record in caplog.records]
    assert any(each.startswith("source shopify_orders: Shopify's own channel apps") for each in said)
    assert "fields.city: its path was in no record of the run; check how it is spelled." in said
    assert not [each for each in said if each.startswith(("fields.email", "fields.event_time"))]
    assert not [each for each in said if "had total_price" in each]  # null is there
    assert any("had cancelled_at or cancelledAt, which `rows` reads" in each for each in said)
    caplog.clear()
    deliver([{name: value for name, value in an_order(2).items() if name != "total_price"}], config)
    assert any("had total_price or totalPriceSet.shopMoney.amount, read as value" in each for each in caplog.messages)


@pytest.mark.parametrize("top", [{"values": {"event_name": {"order": "purchase"}}}, {"source": {"*": "none"}}])
def test_a_path_at_the_top_that_fitted_nothing_is_told_without_a_source_too(
    tmp_path: Path, sandbox: Sandbox, caplog: pytest.LogCaptureFixture, top: dict[str, Any]
) -> None:
    fields = {"city": "place.town", "email": "person.email"}
    row = {"event_name": "order", "event_time": JUST_NOW, "ttclid": "E.1", "person": {"email": "ada@example.com"}}
    deliver([row], a_config(tmp_path, sandbox, fields=fields, **top))
    said = [line for line in caplog.messages if "its path was in no record" in line]
    assert said == ["fields.city: its path was in no record of the run; check how it is spelled."]


def test_an_order_by_its_number_is_known_to_the_log_whatever_becomes_of_it(tmp_path: Path, sandbox: Sandbox) -> None:
    page = {"event_source_url": "https://shop.example.com/"}
    config = a_config(tmp_path, sandbox, source="shopify_orders", defaults=page)
    tally = deliver([an_order(1), an_order(2, financial_status="pending"), an_order(3, processed_at="soon")], config)
    assert (tally.accepted, tally.skipped) == (1, {"by_rule": 1, "invalid": 1})
    shown = CliRunner().invoke(log, ["--ledger-url", config["ledger_url"], "--format", "jsonl"])
    assert {json.loads(line)["event_id"] for line in shown.stdout.splitlines()} == {"1", "2", "3"}


def test_workers_prepare_the_same() -> None:
    made = preparation({"source": "shopify_orders"})
    rows = [case.row for case in cases("shopify_orders")]
    work = pickle.loads(pickle.dumps(Records(made, [], "orders", ["id"])))
    answer = unpacked(packed(work.answered(1, pickle.dumps([pickle.dumps(row) for row in rows]))))
    assert answer
    theirs = [member[0] for member in answer.members if member]
    ours = [made.prepare(row, NOW, stream="orders", key=["id"], line=line) for line, row in enumerate(rows, 1)]
    assert [*map(_identified, theirs)] == [*map(_identified, ours)]
    assert {*answer.unmet_names} == {*made.unmet, *made.unmet_paths}


def _identified(prepared: Prepared | None) -> Any:
    """What it comes to, but for the age at which it is judged."""
    assert prepared
    keys = [*(each.key for each in prepared.postbacks), *(each.key for each in prepared.not_sent)]
    return prepared.conversions, prepared.unusable, prepared.invalid, {key[2:5] for key in keys}


def test_preview_and_doctor_take_a_source(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"tiktok": SETTINGS["tiktok"]}))
    (tmp_path / "rows.jsonl").write_text(
        "".join(json.dumps(an_order(n, email=f"{n}@example.com")) + "\n" for n in (1, 2))
    )
    paths = ["--config", str(tmp_path / "config.json"), "--input", str(tmp_path / "rows.jsonl")]
    shown = CliRunner().invoke(preview, [*paths, "--source", "shopify_orders", "--format", "jsonl"])
    assert [json.loads(line)["event_id"] for line in shown.stdout.splitlines()] == ["1", "2"]
    for options in (paths, paths[2:]):
        told = CliRunner().invoke(doctor, [*options, "--source", "shopify_orders", "--format", "json"])
        assert told.exit_code == 0
        diagnosis = json.loads(told.stdout)
        assert diagnosis["records"] == 2
        assert not [each for each in diagnosis["findings"] if each["finding"] == "invalid_record"]
        assert {row["email"] for row in diagnosis["coverage"] if row["network"] == "tiktok"} == {2}
        places = [each["column"] for each in diagnosis["findings"]]
        assert "shopify_orders.rows.at(cancelled_at, cancelledAt)" in places
    unknown = CliRunner().invoke(preview, [*paths, "--source", "shopfy_orders"])
    assert "source: no such source; did you mean shopify_orders?" in unknown.output


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_the_command_passes_streams_by_and_state_goes_on(tmp_path: Path, sandbox: Sandbox, workers: int) -> None:
    made = Target(tmp_path, sandbox.url, source="shopify_orders", defaults={"event_source_url": "https://a.example/"})
    orders = [record("shop-orders", **an_order(number)) for number in range(1, 4)]
    orders.append(record("shop-orders", **an_order(4, financial_status="partially_refunded", current_total_price=5)))
    people = [record("shop-customers", id=number, email="canary.mail@example.com") for number in range(2)]
    lines = [
        schema("shop-orders", ["id"]),
        schema("shop-customers", ["id"]),
        *people,
        *orders,
        *people,
        state({"n": 1}),
    ]
    ran = made.run(lines, command=command(workers) if workers else (COMMAND,))
    assert (ran.code, ran.states) == (0, [{"n": 1}])
    assert ran.summary.startswith("read 8 (9 conversions), accepted 4, already accepted 0, rejected 0, skipped 5")
    assert {event_id for event_id, *_ in made.rows()} == {"1", "2", "3", "4"}
    assert "canary" not in left_behind(tmp_path, ran.stdout, ran.stderr)
