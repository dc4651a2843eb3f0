"""The dbt package, from a run of the target to figures in the warehouse: they are those of `adpostbacks report`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg
import pytest
from dbt_project import SCHEMA, Project
from ledger_rows import a_row
from run_target import Target, a_purchase
from sqlalchemy.engine import make_url

from target_adpostbacks.ledger import Ledger
from target_adpostbacks.sandbox import Sandbox

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.version_info >= (3, 14), reason="dbt does not run on this Python yet"),
]

PROGRAMS = Path(sys.executable).parent
NOW = datetime.now(timezone.utc)
Rows = Callable[[str], list[tuple[Any, ...]]]


def hours_ago(hours: float) -> str:
    """As the ledger writes a time."""
    return (NOW - timedelta(hours=hours)).isoformat(timespec="milliseconds")


def conversions() -> list[dict[str, Any]]:
    """Some of everything: accepted, refused, skipped, open, tests, corrections; several currencies and days."""
    rows = [
        a_purchase(
            number,
            event_time=hours_ago(1 + number * 5),
            value=number + 0.1,
            currency="USD",
            ad_group_id=f"g{number % 2}",
        )
        for number in range(1, 31)
    ]
    rows += [
        a_purchase(number, network="reddit", rdt_cid="click", event_time=hours_ago(2), value=number, currency=currency)
        for number, currency in zip(range(101, 106), ("USD", "EUR", "JPY", None, "USD"), strict=True)
    ]
    rows += [
        a_purchase(number, network="reddit", rdt_cid="click", email=f"{number}@example.com", event_name="sign_up")
        for number in range(111, 116)
    ]
    return [
        *rows,
        a_purchase(201, account="second", value=7.5, currency="EUR"),
        a_purchase(202, account="second", value=7.5, currency="USD", event_time=hours_ago(20)),
        a_purchase(203, network="organic", ttclid=None, value=3, currency="USD"),
        a_purchase(204, event_time=hours_ago(24 * 29), value=3, currency="USD"),
        a_purchase(205, event_time="yesterday"),
        a_purchase(206, test=True),
        a_purchase(1, adjustment="retract"),
        a_purchase(207, network="reddit", rdt_cid="click", test=True, value=1000, currency="USD"),
    ]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run: its config and its ledger."""
    folder = tmp_path_factory.mktemp("run")
    faults = [{"network": "reddit", "refuse_event_id": "evt-103"}]
    with Sandbox(faults=faults) as sandbox:
        target = Target(folder, sandbox.url)
        shared = target.config["tiktok"]
        shared["accounts"] = {
            "default": {},
            "second": {
                "access_token": "revoked",
                "pixel_code": "C4AAAAAAAAAAAAAAAAAA",
                "tiktok_app_id": "7000000000000000001",
            },
        }
        ran = target.run(conversions())
    assert ran.code == 1, ran.stderr  # something is open
    counts = Counter(status for _, status, _ in target.rows())
    assert {status for status, count in counts.items() if count} == {"accepted", "rejected", "skipped", "open"}
    live = {"asset": shared["pixel_code"], "event_time": hours_ago(11), "value": 5.0, "attempt_id": None}
    with closing(Ledger(f"sqlite:///{folder}/adpostbacks.db", "run-2")) as ledger:
        ledger.write(hours_ago(0), [a_row("evt-2", latency_ms=None, **live)])  # no more a trial
    return folder


def adpostbacks(folder: Path, *words: str) -> Any:
    """What a command says as JSON."""
    url = f"sqlite:///{folder}/adpostbacks.db"
    command = [str(PROGRAMS / "adpostbacks"), *words, "--ledger-url", url, "--format", "json"]
    return json.loads(subprocess.run(command, capture_output=True, check=False).stdout)


def tapped(folder: Path) -> bytes:
    """What the tap says of the ledger."""
    config = folder / "tap.json"
    config.write_text(json.dumps({"ledger_url": f"sqlite:///{folder}/adpostbacks.db"}))
    command = [str(PROGRAMS / "tap-adpostbacks"), "--config", str(config)]
    return subprocess.run(command, capture_output=True, check=True).stdout


def test_the_models_on_duckdb_have_the_figures_of_the_report(run: Path, tmp_path: Path) -> None:
    project = Project(tmp_path)
    lines = tapped(run)
    project.load(lines)
    project.load(lines)  # twice is once
    zone = "Asia/Kolkata"
    said = project.dbt("build", "--select", "adpostbacks", adpostbacks_timezone=zone)
    assert "ERROR=0 SKIP=0" in said
    assert "[WARNING]" not in said
    assert_like_the_report(project.rows, run, zone)
    assert undescribed(project) == []


def test_the_models_on_postgresql_have_them_too(run: Path, tmp_path: Path, postgres_url: str) -> None:
    server = make_url(postgres_url)
    place: dict[str, Any] = {
        "user": server.username,
        "password": server.password,
        "host": server.host,
        "port": server.port,
    }
    (tmp_path / "target.json").write_text(
        json.dumps({**place, "database": server.database, "default_target_schema": SCHEMA})
    )
    command = [str(PROGRAMS / "target-postgres"), "--config", str(tmp_path / "target.json")]
    loaded = subprocess.run(command, input=tapped(run), capture_output=True, check=False)
    assert loaded.returncode == 0, loaded.stderr.decode()[-2000:]
    project = Project(
        tmp_path, {"type": "postgres", **place, "dbname": server.database, "schema": "mart", "threads": 2}
    )
    project.dbt("build")
    with psycopg.connect(
        make_url(postgres_url).set(drivername="postgresql").render_as_string(hide_password=False)
    ) as it:
        it.execute("SET search_path = mart")
        assert_like_the_report(lambda query: it.execute(query.encode()).fetchall(), run, "UTC")


def test_clicks_are_joined_to_conversions_as_the_golden_cases_say(tmp_path: Path) -> None:
    """Days 0 and on begin on 2026-11-01. The SQL is in golden/tests, the cases are in golden/seeds."""
    project = Project(tmp_path)
    said = project.dbt(
        "build",
        "--select",
        "+adpostbacks__stitched",
        "expected_stitched+",
        adpostbacks_stitching=True,
        adpostbacks_identities="ad_identities",
    )
    assert "ERROR=0 SKIP=0" in said
    assert project.rows("SELECT count(*), count(ttclid) FROM adpostbacks__stitched") == [(9, 6)]
    assert [column for column in undescribed(project) if "stitched." in column and "expected" not in column] == []


def test_streams_that_were_not_loaded_leave_empty_models(tmp_path: Path) -> None:
    project = Project(tmp_path)
    key = {"type": "SCHEMA", "stream": "deliveries", "key_properties": ["delivery_id"]}
    properties = {
        name: {"type": [kind]} for name, kind in (("delivery_id", "integer"), ("seq", "integer"), ("test", "boolean"))
    }
    project.load(json.dumps({**key, "schema": {"properties": properties}}).encode())
    assert "ERROR=0 SKIP=0" in project.dbt("build")
    assert project.rows("SELECT count(*) FROM adpostbacks__delivery_rate") == [(0,)]


STATUSES = ("accepted", "rejected", "skipped", "open")
TIMES = ("p50_ms", "p95_ms", "p99_ms", "slowest_ms")


def assert_like_the_report(rows: Rows, run: Path, zone: str) -> None:
    """What the models add up to is what the report and `adpostbacks health` say of the same ledger."""
    report = adpostbacks(run, "report", "--timezone", zone, "--since", "30d", "--output", "-")
    told = figures_of(report, adpostbacks(run, "health"))
    added = figures_in(rows)
    for name, figures in told.items():
        assert added[name] == figures, name
    assert all(told.values())  # there is some of everything
    days = {row[0] for row in rows("SELECT day FROM adpostbacks__latency")}
    if len(days) == 1:  # else midnight came between the requests
        assert {
            row[0]: tuple(row[1:]) for row in rows(f"SELECT network, {', '.join(TIMES)} FROM adpostbacks__latency")
        } == {row["network"]: tuple(row[name] for name in TIMES) for row in report["latency"]}


def figures_in(rows: Rows) -> dict[str, dict[Any, Any]]:
    """What the models say, added up as the report does; a group without money is left out."""

    def by(columns: str, model: str, figures: str) -> dict[Any, tuple[float, ...]]:
        width = len(columns.split(", "))
        found = rows(f"SELECT {columns}, {figures} FROM adpostbacks__{model} GROUP BY {columns}")
        return {
            tuple(map(str, row[:width])): tuple(round(float(each or 0), 6) for each in row[width:]) for row in found
        }

    def money(columns: str, model: str, figure: str) -> dict[Any, float]:
        return {key: value for key, (value,) in by(columns, model, figure).items() if value}

    counts = ", ".join(f"sum({status})" for status in STATUSES)
    sent = by("network", "delivery_rate", "sum(accepted + rejected)")
    learned = rows(
        "SELECT asset, ad_group_id, events, unlocks, max(in_days) FROM adpostbacks__learning GROUP BY 1, 2, 3, 4"
    )
    return {
        "days": by("day", "delivery_rate", counts),
        "accounts": by("network, account", "delivery_rate", counts),
        "events": by("network, event_name", "delivery_rate", counts),
        "accepted_money": money("day, currency", "money", "sum(accepted_value)"),
        **{status: money("currency", "money", f"sum({status}_value)") for status in STATUSES},
        "reasons": by("network, status, reason, code", "reasons", "sum(conversions)"),
        "money_of_reasons": money("network, reason, code, currency", "reasons", "sum(value)"),
        "match_keys": {
            (network, key): (count, *sent[network,])
            for (network, key), (count,) in by("network, match_key", "match_keys", "sum(with_key)").items()
        },
        "requests": by("network", "latency", "sum(requests), sum(success), sum(failed), sum(retried)"),
        "learning": Counter((asset.partition("@")[0], *rest, int(most)) for asset, *rest, most in learned),
        "at_stake": money("network, account, currency", "money_at_stake", "sum(value)"),
    }


def figures_of(report: dict[str, Any], healths: list[dict[str, Any]]) -> dict[str, dict[Any, Any]]:
    """The same, as the commands say them."""

    def numbers(row: dict[str, Any], *names: str) -> tuple[float, ...]:
        return tuple(float(row[name]) for name in names)

    return {
        "days": {(day["day"],): numbers(day, *STATUSES) for day in report["days"] if any(numbers(day, *STATUSES))},
        "accounts": {(row["network"], row["account"]): numbers(row, *STATUSES) for row in report["accounts"]},
        "events": {(row["network"], row["event"]): numbers(row, *STATUSES) for row in report["events"]},
        "accepted_money": {
            (day["day"], name): value for day in report["days"] for name, value in day["accepted_money"].items()
        },
        **{total["status"]: {(name,): value for name, value in total["money"].items()} for total in report["totals"]},
        "reasons": {
            (row["network"], row["status"], row["reason"], row["code"]): numbers(row, "conversions")
            for row in report["reasons"]
        },
        "money_of_reasons": {
            (row["network"], row["reason"], row["code"], name): value
            for row in report["reasons"]
            for name, value in row["money"].items()
        },
        "match_keys": {
            (row["network"], key): (float(count), float(row["conversions"]))
            for row in report["match_keys"]
            for key, count in row["keys"].items()
        },
        "requests": {
            (row["network"],): numbers(row, "requests", "success", "failed", "retried") for row in report["latency"]
        },
        "learning": Counter(
            (row["asset"], row["ad_group"], ", ".join(row["events"]), row["unlocks"], row["most"])
            for row in report["learning"]
        ),
        "at_stake": {
            (*row["account"].split("."), name): value for row in healths for name, value in row["open_money"].items()
        },
    }


def undescribed(project: Project) -> list[str]:
    """Columns of the models that have no description, and descriptions of columns that are not there."""
    manifest = json.loads((project.folder / "target" / "manifest.json").read_text())
    columns = project.rows("SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'main'")
    described = {
        (node["name"], name)
        for node in manifest["nodes"].values()
        if node["resource_type"] in ("model", "seed")
        for name, column in node["columns"].items()
        if column["description"]
    }
    return [".".join(each) for each in sorted({*columns} ^ described)]
