"""``notify``: a webhook on loopback hears of a run that needs somebody, and of nothing else."""

from __future__ import annotations

import json
import logging
import re
import shlex
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import plugin_definitions
import pytest
import yaml  # type: ignore[import-untyped]
from canaries import PERSONAL, canaries_in, left_behind
from click.testing import CliRunner
from conftest import SETTINGS, fresh
from local_server import Answer, LocalServer, Received, local_server
from patience import PATIENCE, run_to_its_end
from run_target import Target, a_purchase, ended, record, schema
from test_meltano import meltano

from target_adpostbacks import deliver
from target_adpostbacks.cli.validate import validate
from target_adpostbacks.delivery.balance import Tally
from target_adpostbacks.delivery.transport import HttpTransport
from target_adpostbacks.run import notifying
from target_adpostbacks.sandbox import Sandbox

pytestmark = pytest.mark.machine_clock

PATH = "/services/T000/B000/canary-webhook-secret?token=canary-query"
SCHEMA = json.loads((Path(__file__).parent.parent / "docs" / "alert.schema.json").read_text())
SECRETS = ("canary-webhook", "canary-query", "services")


@pytest.fixture
def webhook() -> Iterator[LocalServer]:
    with local_server() as server:
        server.answer = lambda _: Answer(200, b"ok")
        yield server


@pytest.fixture
def config(sandbox: Sandbox, webhook: LocalServer, tmp_path: Path) -> dict[str, Any]:
    return {
        **{name: {**SETTINGS[name], "base_url": sandbox.url, "max_attempts": 1} for name in ("tiktok", "reddit")},
        "ledger_url": f"sqlite:///{tmp_path}/ledger.db",
        "notify": {"url": webhook.url + PATH},
    }


REVOKED = {"network": "tiktok", "error": "invalid_token"}
DOWN = {"network": "tiktok", "status": 503}
MONEY = {"value": 700.5, "currency": "USD"}


def test_a_run_that_finds_nothing_tells_nobody(config: dict[str, Any], webhook: LocalServer) -> None:
    deliver([fresh(1)], config)
    assert webhook.received == []


def test_refused_credentials_are_told_with_the_facts_of_the_run(
    config: dict[str, Any], sandbox: Sandbox, webhook: LocalServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    sandbox.faults = [REVOKED]
    records = [fresh(1, **MONEY), fresh(2), fresh(3, network="reddit", ttclid=None, rdt_cid="1")]
    deliver([*records, {"event_name": "purchase"}], config)
    (request,) = webhook.received
    assert (request.method, request.path) == ("POST", PATH)
    assert request.headers["content-type"] == "application/json"
    jsonschema.validate(request.body, SCHEMA)
    facts = request.body["adpostbacks"]
    with closing(sqlite3.connect(config["ledger_url"].removeprefix("sqlite:///"))) as connection:
        ((run_id, counts),) = connection.execute("SELECT run_id, counts FROM runs").fetchall()
    assert (facts["run_id"], facts["exit_code"], facts["counts"]) == (run_id, 1, json.loads(counts))
    (cause,) = facts["causes"]
    assert (cause["on"], cause["account"], cause["code"]) == ("credential_failures", "tiktok.default", "40105")
    reddit, tiktok = facts["accounts"]
    assert (tiktok["account"], tiktok["state"]) == ("tiktok.default", "credential_failures")
    assert tiktok["last_24h"] == {"accepted": 0, "rejected": 0, "open": 2}
    assert tiktok["open_money"] == {"USD": 700.5}
    assert tiktok["run"] == {"accepted": 0, "rejected": 0, "skipped": 0, "open": 2}
    assert tiktok["reasons"] == [{"status": "open", "reason": "credentials", "code": "40105", "count": 2}]
    assert (reddit["state"], reddit["run"]["accepted"], reddit["reasons"]) == ("delivering", 1, [])
    first, second, *_ = request.body["text"].splitlines()
    assert first == f"target-adpostbacks: run {run_id} ended with exit code 1."
    since = cause["since"]
    at = f"since {since[:10]} {since[11:16]} UTC"
    assert second == f"• tiktok.default (a trial): the network refuses the credentials {at} (40105)."
    assert "notify: told of credential_failures." in caplog.text


def test_as_long_as_it_holds_every_run_tells_it_one_without_records_too(
    config: dict[str, Any], sandbox: Sandbox, webhook: LocalServer
) -> None:
    deliver([], config)
    assert webhook.received == []  # nothing has failed yet
    sandbox.faults = [REVOKED]
    deliver([fresh(1)], config)
    deliver([], config)
    one, none = (request.body["adpostbacks"] for request in webhook.received)
    assert one["run_id"] != none["run_id"]
    assert (none["exit_code"], none["counts"]["read"], none["accounts"][0]["run"]["open"]) == (0, 0, 0)
    sandbox.faults = []
    deliver([fresh(1)], config)
    assert len(webhook.received) == 2


@pytest.mark.parametrize(
    ("rejected", "accepted", "health", "percent", "is_told"),
    [
        (3, 17, {}, 10, True),
        (2, 18, {}, 10, False),  # 10 %, not more
        (3, 16, {}, 10, False),  # 19 are too few
        (3, 16, {"rejected_of": 19}, 10, True),
        (3, 17, {}, 20, False),
        (3, 17, {}, None, False),
    ],
)
def test_too_much_is_rejected_by_the_measure_of_health(
    config: dict[str, Any],
    sandbox: Sandbox,
    webhook: LocalServer,
    rejected: int,
    accepted: int,
    health: dict[str, int],
    percent: float | None,
    is_told: bool,
) -> None:
    config["tiktok"]["health"] = health
    config["notify"]["on"] = {"rejected_percent": percent}
    for number in range(rejected + accepted):  # one by one, as many small runs would
        sandbox.faults = [{"network": "tiktok", "refuse_event": 0}] if number < rejected else []
        deliver([fresh(number)], config)
    causes = [request.body["adpostbacks"]["causes"] for request in webhook.received]
    total = rejected + accepted
    expected = {"on": "rejected_percent", "account": "tiktok.default", "rejected": 3, "of": total, "limit": percent}
    assert causes == ([[expected]] if is_told else [])
    if is_told:
        assert f"(a trial): 3 of {total} were rejected in 24 hours, more than 10 %." in webhook.received[0].body["text"]


@pytest.mark.parametrize(("limit", "is_told"), [(1400, True), (1401, False), (0, True), (None, False)])
def test_open_money_is_added_up_over_all_accounts(
    config: dict[str, Any], sandbox: Sandbox, webhook: LocalServer, limit: float | None, is_told: bool
) -> None:
    sandbox.faults = [{"network": name, "status": 503} for name in ("tiktok", "reddit")]
    config["notify"]["on"] = {"open_money": {} if limit is None else {"USD": limit, "EUR": 0}}
    deliver([fresh(1, **MONEY), fresh(2, **MONEY, network="reddit", ttclid=None, rdt_cid="1")], config)
    causes = [cause for request in webhook.received for cause in request.body["adpostbacks"]["causes"]]
    assert [(cause["on"], cause["currency"], cause["value"]) for cause in causes] == (
        [("open_money", "USD", 1401.0)] if is_told else []
    )
    if is_told:
        told = webhook.received[0].body["text"].splitlines()[1]
        assert told.startswith("• 1,401.00 USD open for all accounts, 700.50 of it can't be sent after ")
        assert told.endswith(f" UTC. The limit is {limit:,.2f} USD.")


def test_credentials_may_be_left_to_others(config: dict[str, Any], sandbox: Sandbox, webhook: LocalServer) -> None:
    sandbox.faults = [REVOKED]
    config["notify"]["on"] = {"credential_failures": False}
    deliver([fresh(1)], config)
    assert webhook.received == []


def test_the_text_holds_nothing_that_slack_would_read_as_a_link_or_a_mention() -> None:
    cause = notifying.CredentialFailures("tiktok.default", None, "<!channel> & <https://x.example|y>", None)
    facts = notifying.Facts("run-1", "2026-11-20T12:05:00.000+00:00", 1, Tally(), [cause], [])
    text = notifying.text_of(facts, set())
    assert "(&lt;!channel&gt; &amp; &lt;https://x.example|y&gt;)" in text
    assert not set("<>") & set(text)


def slow(_: Received) -> Answer:
    return Answer(200, b"ok", delay_seconds=2 * PATIENCE)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda _: Answer(404, b"no_service"), "the webhook answers HTTP 404"),
        (lambda _: Answer(500, b"canary"), "the webhook answers HTTP 500"),
        (lambda _: Answer(302, b"", {"Location": PATH}), "the webhook answers with a redirect (HTTP 302)"),
        (lambda _: Answer(reset=True), "the webhook can't be reached: connection reset"),
        (slow, "the webhook can't be reached: timed out"),
    ],
    ids=["404", "500", "redirect", "reset", "slow"],
)
def test_what_fails_is_one_warning_without_the_url(
    config: dict[str, Any],
    sandbox: Sandbox,
    webhook: LocalServer,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    answer: Any,
    why: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(notifying, "SECONDS", 1)
    sandbox.faults, webhook.answer = [REVOKED], answer
    began = time.monotonic()
    tally = deliver([fresh(1)], config)
    assert tally.open == {"credentials": 1}
    assert time.monotonic() - began < PATIENCE
    assert len(webhook.received) == 1  # no redirect was followed, nothing tried again
    assert caplog.text.count("notify:") == 1
    assert f"notify: nobody was told of credential_failures: {why}" in caplog.text
    assert [word for word in SECRETS if word in caplog.text] == []


def test_a_webhook_that_is_nowhere_is_told_without_its_address(
    config: dict[str, Any], sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sandbox.faults = [REVOKED]
    config["notify"]["url"] = "https://canary-webhook.invalid" + PATH
    deliver([fresh(1)], config)
    assert "notify: nobody was told of credential_failures: the webhook can't be reached: host name" in caplog.text
    warnings = [line.getMessage() for line in caplog.records if line.levelno >= logging.INFO]
    assert [word for word in SECRETS if word in "\n".join(warnings)] == []


def test_a_mistake_of_ours_is_a_warning_without_its_text(
    config: dict[str, Any], sandbox: Sandbox, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise ValueError(PATH)

    monkeypatch.setattr(HttpTransport, "__call__", broken)
    monkeypatch.setattr(notifying, "healths", broken)
    deliver([], config)
    assert "notify: nobody is told. Unexpected ValueError in " in caplog.text
    assert "canary" not in caplog.text


@pytest.mark.slow
def test_a_singer_run_tells_it_with_its_exit_code_and_no_personal_data(tmp_path: Path, webhook: LocalServer) -> None:
    def echo(request: Received) -> Answer:
        if "canary-webhook" in request.path:
            return Answer(200, b"ok")
        said = f"refused {json.dumps(request.body)} canary.mail@example.com"
        return Answer(401, {"code": 40105, "message": said, "status": "INVALID", "reason": said})

    webhook.answer = echo
    target = Target(tmp_path, webhook.url, notify={"url": webhook.url + PATH})
    lines = [schema(), *(record(**a_purchase(n, **PERSONAL, value=10, currency="EUR")) for n in range(3))]
    ran = target.run(lines, env={"TARGET_ADPOSTBACKS_LOGLEVEL": "DEBUG", "LOGLEVEL": "DEBUG"})
    assert ran.code == 1
    (request,) = (each for each in webhook.received if "canary-webhook" in each.path)
    assert request.body["adpostbacks"]["exit_code"] == 1
    assert ran.summary == request.body["text"].splitlines()[-2].removeprefix("The run: ").rstrip(".")
    assert canaries_in(request.raw.decode().lower()) == []
    assert canaries_in(left_behind(tmp_path, ran.stdout, ran.stderr)) == []


@pytest.mark.slow
@pytest.mark.parametrize("signals", [1, 2])
def test_a_run_that_a_signal_ends_tells_it_within_ten_seconds(
    tmp_path: Path, webhook: LocalServer, signals: int
) -> None:
    """TikTok's answer does not come; Reddit refuses the credentials at once."""
    came, told = threading.Event(), threading.Event()

    def answer(request: Received) -> Answer:
        if "canary-webhook" in request.path:
            told.set()
            return Answer(200, b"ok")
        if request.network.name == "reddit":
            return Answer(401, {"error": {"code": 401, "message": "no"}})
        came.set()
        return Answer(200, b"{}", delay_seconds=2 * PATIENCE)

    webhook.answer = answer
    notify = {"url": webhook.url + PATH, "on": {"open_money": {"EUR": 5}}}
    target = Target(tmp_path, webhook.url, notify=notify, max_batch_age_seconds=0)
    target.config["tiktok"]["request_timeout_seconds"] = 2 * PATIENCE
    process = target.start()
    assert process.stdin
    refused = record(**a_purchase(2, network="reddit", rdt_cid="1", value=10, currency="EUR"))
    for line in (schema(), refused, record(**a_purchase(1))):
        process.stdin.write(json.dumps(line).encode() + b"\n")
    process.stdin.flush()
    assert came.wait(PATIENCE)
    while ("evt-2", "open", "credentials") not in target.rows():
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    while signals == 2 and not told.wait(0.3):
        process.send_signal(signal.SIGTERM)  # two that come together may count as one
    assert told.wait(PATIENCE)
    assert notifying.PATIENCE_SECONDS + notifying.STOPPED_SECONDS <= 8  # which leaves two for looking
    if signals == 1:
        process.send_signal(signal.SIGTERM)  # there is no need to wait for the answer
    ran = ended(process)
    assert ran.code == 143
    messages = [each.body["adpostbacks"] for each in webhook.received if "canary-webhook" in each.path]
    assert [message["exit_code"] for message in messages] == [None if signals == 1 else 143]  # once alone
    assert "notify: told of credential_failures, open_money." in ran.stderr


def test_validate_sends_a_test_message(config: dict[str, Any], webhook: LocalServer, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    ran = CliRunner().invoke(validate, ["tiktok", "--notify", "--config", str(path), "--format", "json"])
    *_, last = json.loads(ran.stdout)
    assert (last["account"], last["result"], last["http_status"], ran.exit_code) == ("notify", "ok", 200, 0)
    (request,) = webhook.received
    assert list(request.body) == ["text"]
    assert "test" in request.body["text"]
    webhook.answer = lambda _: Answer(403, b"invalid_token")
    ran = CliRunner().invoke(validate, ["tiktok", "--notify", "--config", str(path)])
    assert ran.exit_code == 1
    assert "notify" in ran.stdout
    assert "the webhook answers HTTP 403" in ran.stdout
    assert [word for word in SECRETS if word in ran.output] == []
    path.write_text(json.dumps({**config, "notify": None}))
    ran = CliRunner().invoke(validate, ["tiktok", "--notify", "--config", str(path)])
    assert (ran.exit_code, "the config has no `notify`" in ran.stderr) == (2, True)


@pytest.mark.slow
def test_the_pages_commands_set_it_under_meltano_and_try_it(tmp_path: Path, webhook: LocalServer) -> None:
    page = (Path(__file__).parent.parent / "docs" / "alerts.md").read_text()
    (setting, trying) = re.findall(r"```console\n(.*?)\n```", page, re.DOTALL)
    plugin = {"name": "target-adpostbacks", "namespace": "target_adpostbacks", "executable": "target-adpostbacks"}
    sections = {"tiktok": {**SETTINGS["tiktok"], "base_url": "http://127.0.0.1:9"}}
    settings = yaml.safe_load(plugin_definitions.short("target-adpostbacks"))
    project = {"plugins": {"loaders": [{**plugin, **settings, "config": sections}]}}
    (tmp_path / "meltano.yml").write_text(yaml.safe_dump(project))
    for line in setting.replace("https://hooks.slack.com/services/…", webhook.url + PATH).splitlines():
        ran = meltano(tmp_path, *shlex.split(line.removeprefix("$ "))[1:])
        assert ran.code == 0, ran.log
        assert [word for word in SECRETS if word in ran.log + ran.stdout] == []
    assert PATH in (tmp_path / ".env").read_text()
    assert "canary" not in (tmp_path / "meltano.yml").read_text()
    dumped = meltano(tmp_path, "invoke", "--dump=config", "target-adpostbacks")
    config = json.loads(dumped.stdout)
    assert config["notify"] == {"url": webhook.url + PATH, "on": {"open_money": {"USD": 1000}}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    words = shlex.split(trying.removeprefix("$ "))
    command = [str(Path(sys.executable).with_name(words[0])), *words[1:]]
    ran_alone = run_to_its_end(command, cwd=tmp_path)
    invoked = meltano(tmp_path, "invoke", "target-adpostbacks:validate", "--notify")
    for said in (ran_alone.stdout, invoked.stdout):
        assert re.search(r"^notify +- +ok +200 ", said, re.MULTILINE), said
    assert [request.path for request in webhook.received] == [PATH, PATH]
