"""adpostbacks check: what became of requests that a network accepted, in the ledger and in the log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from conftest import SETTINGS
from ledger_rows import rows

from target_adpostbacks.cli import main
from target_adpostbacks.run import deliver
from target_adpostbacks.sandbox import Sandbox

STATUS = "/v1/requestStatus:retrieve"
COUNTS = "processing, counted, not_counted"


class Scene:
    """A run that is half an hour ago, and what is asked afterwards."""

    def __init__(self, folder: Path, sandbox: Sandbox, ago: list[timedelta]) -> None:
        self.sandbox = sandbox
        self.ledger = f"sqlite:///{folder}/ledger.db"
        self._ago = ago
        self._config = folder / "config.json"

    def config(self, *sections: str, **settings: Any) -> dict[str, Any]:
        config = {name: {**SETTINGS[name], "base_url": self.sandbox.url, **settings} for name in sections}
        self._config.write_text(json.dumps({**config, "ledger_url": self.ledger}))
        return {**config, "ledger_url": self.ledger}

    def delivered(self, *event_ids: str, ago: timedelta = timedelta(minutes=31), **columns: Any) -> None:
        """Purchases that were delivered so long ago."""
        now = datetime.now(timezone.utc)
        purchase = {"event_name": "purchase", "event_time": now - ago, "network": "google", "gclid": "G", **columns}
        self._ago[0] = ago
        deliver([{**purchase, "event_id": event_id} for event_id in event_ids], self.config("google_ads"))
        self._ago[0] = timedelta()
        engine = sa.create_engine(self.ledger)
        with engine.begin() as connection:
            sent_at = (now - ago).isoformat(timespec="milliseconds")
            connection.execute(sa.text("UPDATE attempts SET started_at = :sent_at"), {"sent_at": sent_at})
        engine.dispose()
        self.sandbox.reset()

    def check(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["check", *arguments, "--config", str(self._config)])

    def log(self) -> list[dict[str, Any]]:
        said = CliRunner().invoke(main, ["log", "--ledger-url", self.ledger, "--format", "json"])
        lines: list[dict[str, Any]] = json.loads(said.stdout)
        return lines

    def counts(self) -> list[Any]:
        return rows(self.ledger, COUNTS, "attempts")

    def asked(self) -> int:
        return [request["path"] for request in self.sandbox.requests].count(STATUS)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    ago = [timedelta()]
    with Sandbox(now=lambda: datetime.now(timezone.utc) - ago[0]) as sandbox:
        yield Scene(tmp_path, sandbox, ago)


def told(status: str, records: int, **errors: int) -> dict[str, Any]:
    """A fault that lets the network say this of every request."""
    counts = [{"recordCount": str(n), "reason": f"PROCESSING_ERROR_REASON_{reason}"} for reason, n in errors.items()]
    destination = {
        "requestStatus": status,
        "eventsIngestionStatus": {"recordCount": str(records)},
        "errorInfo": {"errorCounts": counts},
    }
    return {"path": STATUS, "status": 200, "body": {"requestStatusPerDestination": [destination]}}


def test_what_was_counted_is_in_the_requests_row_and_in_the_log(scene: Scene) -> None:
    scene.delivered("a", "b")
    before = rows(scene.ledger, "*")
    result = scene.check("google_ads")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.endswith("google_ads.default  success  2 of 2 counted\n")
    assert scene.counts() == [("success", 2, "{}")]
    assert rows(scene.ledger, "*") == before
    assert {line["counted"] for line in scene.log()} == {"2 of the request's 2 counted"}
    explained = CliRunner().invoke(main, ["explain", "--ledger-url", scene.ledger, "a"])
    assert explained.stdout.count("2 of the request's 2 counted") == 1
    table = CliRunner().invoke(main, ["log", "--ledger-url", scene.ledger])
    assert table.stdout.count("2 of the request's 2 counted") == 2


def test_why_some_were_not_counted_is_told_and_the_deliveries_stay_accepted(scene: Scene) -> None:
    scene.delivered("a", "b", "c")
    scene.sandbox.faults = [told("PARTIAL_SUCCESS", 3, INVALID_GCLID=2)]
    result = scene.check()
    assert result.exit_code == 0
    assert result.stdout.endswith("partial_success  1 of 3 counted  INVALID_GCLID 2\n")
    assert scene.counts() == [("partial_success", 1, '{"INVALID_GCLID":2}')]
    assert {(line["status"], line["counted"]) for line in scene.log()} == {
        ("Success", "1 of the request's 3 counted: INVALID_GCLID 2")
    }


def test_a_request_that_failed_as_a_whole_ends_with_1(scene: Scene) -> None:
    scene.delivered("a")
    scene.sandbox.faults = [told("FAILED", 1, EVENT_TOO_OLD=1)]
    assert scene.check("google_ads.default").exit_code == 1
    assert scene.log()[0]["counted"] == "0 of the request's 1 counted: EVENT_TOO_OLD 1"


def test_what_has_its_counts_is_not_asked_again_and_what_is_processed_is(scene: Scene) -> None:
    scene.delivered("a")
    scene.sandbox.faults = [told("PROCESSING", 1)]
    scene.check()
    assert scene.log()[0]["counted"] == "the network is still processing it"
    scene.sandbox.faults = []
    for _ in range(2):
        assert scene.check().exit_code == 0
    assert (scene.asked(), scene.counts()) == (2, [("success", 1, "{}")])


@pytest.mark.parametrize(
    ("ago", "columns"), [(timedelta(minutes=29), {}), (timedelta(hours=1), {"test": True})], ids=["too new", "a test"]
)
def test_what_is_too_new_or_a_test_is_not_asked_about(scene: Scene, ago: timedelta, columns: dict[str, Any]) -> None:
    scene.delivered("a", ago=ago, **columns)
    result = scene.check("google_ads")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "google_ads.default: no request to ask about\n"
    assert scene.asked() == 0


def test_a_request_that_the_network_still_processes_after_a_day_is_given_up(scene: Scene) -> None:
    scene.delivered("a", ago=timedelta(hours=25))
    scene.sandbox.faults = [told("PROCESSING", 1)]
    for _ in range(2):
        scene.check()
    assert scene.asked() == 1


def test_a_request_that_the_network_does_not_know_is_asked_about_once(scene: Scene) -> None:
    scene.delivered("a")
    engine = sa.create_engine(scene.ledger)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE attempts SET network_request_id = 'another'"))
    engine.dispose()
    for _ in range(2):
        assert scene.check().exit_code == 0
    assert (scene.asked(), scene.counts()) == (1, [("unknown", 0, "{}")])
    assert scene.log()[0]["counted"] == "the network does not know it"


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ({"path": "/token", "error": "invalid_grant"}, "credentials: invalid_grant"),
        ({"path": "/token", "status": 503}, "transient: signing in: 503"),
        ({"path": STATUS, "error": "permission_denied"}, "credentials: USER_PERMISSION_DENIED"),
        ({"path": STATUS, "error": "resource_exhausted"}, "throttled: RESOURCE_EXHAUSTED"),
        ({"path": STATUS, "reset": "before"}, "transient: connection"),
    ],
)
def test_where_nobody_answers_the_rest_waits_for_the_next_time(scene: Scene, fault: dict[str, Any], why: str) -> None:
    scene.delivered("a")
    scene.delivered("b")
    scene.sandbox.faults = [fault]
    result = scene.check()
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"not asked any further: {why}" in result.stderr
    assert result.stderr.count("\n") == 1
    assert scene.counts() == [(None, None, None)] * 2
    scene.sandbox.faults = []
    assert scene.check().stdout.count("1 of 1 counted") == 2


def test_what_a_trial_accepted_is_not_asked_of_the_network(scene: Scene) -> None:
    scene.delivered("a")
    scene.config("google_ads", proxy=True)  # what the base_url leads to is the network
    assert scene.check("google_ads").stderr == "google_ads.default: no request to ask about\n"


def test_a_network_that_tells_nothing_afterwards_is_named_where_it_is_asked_for(scene: Scene) -> None:
    scene.delivered("a")
    scene.config("tiktok")
    result = scene.check("tiktok")
    assert (result.exit_code, result.stderr) == (0, "tiktok.default: its network tells nothing beyond its verdicts\n")
    scene.config("google_ads", api="google_ads")
    assert "tells nothing beyond its verdicts" in scene.check("google_ads").stderr


def test_without_a_ledger_it_says_so(scene: Scene) -> None:
    scene.config("google_ads")
    result = scene.check()
    assert result.exit_code == 1
    assert "no ledger at" in result.stderr
