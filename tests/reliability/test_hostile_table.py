"""What goes wrong, and what must come of it: a row each, the real command in a process of its own against the sandbox.

Every row also keeps the promises of ``hostile.keeps_its_promises``: no state ahead of a verdict, the same bytes each
time, no value of a person or a secret anywhere, a last line that adds up.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import eager
import pytest
from canaries import PERSONAL, SECRETS
from hostile import LEDGER, NO_LEDGER, THREE, TORN, Act, Row, Stage, at_most, case, counted, play, purchase, purchases
from run_target import COMMAND, encoded, record, schema, state

from target_adpostbacks.networks import NETWORKS

pytestmark = pytest.mark.slow

ADPOSTBACKS = str(Path(COMMAND).with_name("adpostbacks"))
ONE_BY_ONE = {"batch_size_rows": 1, "concurrency": 1}
TWICE = {"max_attempts": 2}
AT_ONCE = {"max_batch_age_seconds": 0}
SPLIT = range(1, 4)
"""Requests of three conversions that nothing waits for."""
THOUSAND = purchases(1000, lean=True)
REDDIT = purchases(3, network="reddit")
HELD = {"hold": True}
BROKEN_RULES = [
    {"name": "none of the first", "when": "event_id == 'evt-1'", "send": False},
    {"when": "event_id == 'evt-2' and int(email) > 1"},
    {"compute": {"description": "event_name.upper()", "properties": {"plan": "event_id[:3]"}}},
]
KILLED, TERMINATED, INTERRUPTED = -signal.SIGKILL, 128 + signal.SIGTERM, 128 + signal.SIGINT


def kill_once_sent(stage: Stage) -> None:
    stage.close_input()
    stage.wait_for_request()
    stage.signal(signal.SIGKILL)


def cut_the_power_once_sent(stage: Stage) -> None:
    """The last commit is lost too, as on a disk that lies."""
    kill_once_sent(stage)
    stage.process.wait()
    journal = stage.folder / f"{LEDGER}-wal"
    os.truncate(journal, journal.stat().st_size - 1000)


def kill_once_answered(stage: Stage) -> None:
    """The ledger is locked, so that the answer comes and its commit does not."""
    with locked_once_answered(stage):
        stage.signal(signal.SIGKILL)
        stage.process.wait()


def lock_the_ledger_for_a_while(stage: Stage) -> None:
    with locked_once_answered(stage):
        pass


@contextmanager
def locked_once_answered(stage: Stage) -> Iterator[None]:
    """The ledger's lock is another's from before the answer until the block ends."""
    stage.close_input()
    stage.wait_for_request()
    with closing(sqlite3.connect(stage.folder / LEDGER, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        stage.release()
        stage.wait_for_log('HTTP/1.1" 200')
        yield


def once_read(*numbers: int) -> Act:
    """These signals, once the last line of the input has been read, which is no JSON."""

    def act(stage: Stage) -> None:
        stage.wait_for_log("malformed JSON")
        for number in numbers:
            stage.signal(number)
        stage.process.wait()

    return act


def terminate_then_answer(stage: Stage) -> None:
    stage.wait_for_request()
    stage.signal(signal.SIGTERM)
    stage.release()
    stage.process.wait()


def interrupt_and_terminate(stage: Stage) -> None:
    stage.wait_for_request()
    stage.signal(signal.SIGINT)
    stage.signal(signal.SIGTERM)
    stage.process.wait()


def terminate_until_it_ends(stage: Stage) -> None:
    stage.wait_for_request()
    while stage.process.poll() is None:
        stage.signal(signal.SIGTERM)
        time.sleep(0.05)


def terminate_while_it_waits(stage: Stage) -> None:
    stage.close_input()
    stage.wait_until(stage.attempted)
    stage.signal(signal.SIGTERM)


def fill_the_disk_once_sent(stage: Stage) -> None:
    """No file can grow any more: the kernel says so to each write."""
    stage.close_input()
    stage.wait_for_request()
    resource.prlimit(stage.process.pid, resource.RLIMIT_FSIZE, (0, 0))
    stage.release()


def answer_once_the_others_are_through(stage: Stage) -> None:
    stage.close_input()
    stage.wait_until(lambda: counted(stage.target) == f"{len(NETWORKS) - 1} accepted")
    stage.release()


def answer_once_reddit_has_its_own(stage: Stage) -> None:
    stage.wait_until(lambda: stage.sandbox.stats()["networks"]["reddit"]["requests"])
    stage.release()


FULL_DISK = ("sh", "-c", 'ulimit -f 0; exec "$0" "$@"')


def a_pipe_that_nobody_reads() -> int:
    reads, writes = os.pipe()
    os.close(reads)
    return writes


def a_full_disk() -> int:
    return os.open("/dev/full", os.O_WRONLY)


def tear_the_ledger(folder: Path) -> None:
    """Its second half is lost, as on a disk that broke."""
    with closing(sqlite3.connect(folder / LEDGER)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    os.truncate(folder / LEDGER, (folder / LEDGER).stat().st_size // 2)


def put_another_file_there(folder: Path) -> None:
    (folder / LEDGER).write_text("no database " * 1000)


def let_days_pass(days: float) -> Callable[[Path], None]:
    """The ledger's requests were made so much earlier."""

    def prepare(folder: Path) -> None:
        then = (datetime.now(timezone.utc) - timedelta(days=days)).isoformat(timespec="milliseconds")
        with closing(sqlite3.connect(folder / LEDGER)) as connection, connection:
            connection.execute("UPDATE deliveries SET sent_at = ?", (then,))

    return prepare


def let_half_a_year_pass(folder: Path) -> None:
    """All that is in the ledger is older than what it keeps."""
    with closing(sqlite3.connect(folder / LEDGER)) as connection, connection:
        for table, column in (("deliveries", "updated_at"), ("attempts", "started_at"), ("runs", "started_at")):
            connection.execute(f"UPDATE {table} SET {column} = '2020-01-01T00:00:00.000+00:00'")


def resolve_by_hand(folder: Path) -> None:
    """The first has arrived, the second has not, the third is not known."""
    for event_id, verdict in (("evt-1", "accepted"), ("evt-2", "resend")):
        command = [ADPOSTBACKS, "resolve", event_id, "--as", verdict, "--ledger-url", f"sqlite:///{folder / LEDGER}"]
        subprocess.run(command, check=True, capture_output=True)


def waited(seconds: float) -> Callable[[Stage], None]:
    """The second request came so long after the first, or later."""

    def check(stage: Stage) -> None:
        first, second = stage.attempted()
        assert (second - first).total_seconds() >= seconds

    return check


def took(seconds: float) -> Callable[[Stage], None]:
    """From the first request to the last one, or longer."""

    def check(stage: Stage) -> None:
        times = stage.attempted()
        assert (times[-1] - times[0]).total_seconds() >= seconds

    return check


def came(times: int) -> Callable[[Stage], None]:
    """Each event came so often, and counts once."""

    def check(stage: Stage) -> None:
        assert [event["times"] for event in stage.sandbox.received] == [times] * 3

    return check


def forgotten(stage: Stage) -> None:
    """No request is left, and no more of a conversion than who it is."""
    assert stage.attempted() == []
    assert stage.target.rows("DISTINCT value, currency, match_keys") == [(None, None, "")]


def after(line: Any) -> list[Any]:
    """A line between two good records."""
    return [*purchases(1), encoded(line).strip(), *purchases(1, first=2)]


def a_batch(*files: str) -> dict[str, Any]:
    encoding = {"format": "jsonl", "compression": "none"}
    return {"type": "BATCH", "stream": "conversions", "encoding": encoding, "manifest": [*files]}


def renamed(count: int, first: int = 1) -> list[Any]:
    """Purchases whose time has another name; state follows each."""
    lines: list[Any] = [schema()]
    for number in range(first, first + count):
        columns = purchase(number)
        columns["order_id"], columns["converted_at"] = columns.pop("event_id"), columns.pop("event_time")
        lines += [record(**columns), state(number)]
    return lines


def at_most_lines(stage: Stage, count: int) -> None:
    """So many log lines at most that are more than information, but for hints about the canaries' form."""
    told = [line for line in stage.stderr.splitlines() if "| WARNING" in line or "| ERROR" in line]
    told = [line for line in told if "does not begin with" not in line]
    assert len(told) <= count, told


REPEATED = " ".join((SECRETS["tiktok"], *(PERSONAL[name] for name in ("email", "phone", "ip_address", "ttclid"))))
ECHO = f"\x1b[2J\r\nFORGED line\x00 {REPEATED}"

# What happens · the sandbox's faults · what the ledger has · exit code · last state · requests that it received

# fmt: off
SIGNALS = [
    case("SIGKILL after the request was written", HELD, "", KILLED, None, 1, act=kill_once_sent,
         quick=True, then=case("the next run", None, "3 accepted", 0, 3, 1, also=came(2))),
    case("SIGKILL between the answer and the commit", HELD, "", KILLED, None, 1, act=kill_once_answered,
         quick=True, then=case("the next run", None, "3 accepted", 0, 3, 1, also=came(2))),
    case("SIGTERM while idle", None, "3 open transient, 1 skipped invalid", TERMINATED, None, 0,
         feed=[*THREE, b"oops"], config={"max_batch_age_seconds": 3600}, act=once_read(signal.SIGTERM)),
    case("SIGINT while idle", None, "3 open transient, 1 skipped invalid", INTERRUPTED, None, 0,
         feed=[*THREE, b"oops"], config={"max_batch_age_seconds": 3600}, act=once_read(signal.SIGINT)),
    case("SIGTERM in mid-request", HELD, "3 accepted", TERMINATED, 3, 1, config=AT_ONCE,
         act=terminate_then_answer),
    case("SIGTERM again and again in mid-request", HELD, "3 open no_answer", TERMINATED, None, 1,
         config=AT_ONCE, act=terminate_until_it_ends, then=case("the next run", None, "3 accepted", 0, 3, SPLIT)),
    case("SIGINT, then SIGTERM in mid-request", HELD, "3 open no_answer", INTERRUPTED, None, 1,
         config=AT_ONCE, act=interrupt_and_terminate, then=case("the next run", None, "3 accepted", 0, 3, SPLIT)),
    case("SIGTERM while it waits for a retry", {"retry_after": "300"}, "3 open throttled", TERMINATED, None, 1,
         act=terminate_while_it_waits),
    case("standard output is closed", None, "3 accepted", 1, None, 1,
         stdout=a_pipe_that_nobody_reads, says="standard output is closed", quick=True),
    case("standard output is on a full disk", None, "3 accepted", 1, None, 1, stdout=a_full_disk,
         says="standard output is full (No space left on device)"),
]

ANSWERS = [
    case("all is well", None, "3 accepted", 0, 3, 1, also=came(1)),
    case("a rule that drops one, one that fails at another, and one that changes the third", None,
         "1 accepted, 1 skipped by_rule, 1 skipped invalid", 0, 3, 1, config={"rules": BROKEN_RULES},
         says="rule rules[1], when: ValueError"),
    case("429 with Retry-After: 2", {"retry_after": "2", "times": 1}, "3 accepted", 0, 3, 2,
         also=waited(2)),
    case("429 with an HTTP date", {"retry_after": "{in five seconds}", "times": 1}, "3 accepted", 0, 3, 2),
    case("429 with a date that is over", {"retry_after": "Fri, 20 Nov 2020 12:06:00 GMT", "times": 1},
         "3 accepted", 0, 3, 2),
    case("429 with a negative Retry-After", {"retry_after": "-5", "times": 1}, "3 accepted", 0, 3, 2),
    case("429 with ten days", {"retry_after": "864000"}, "3 open throttled", 1, None, 1,
         says="the network asks to wait 10 days"),
    case("429 with more seconds than there are", {"retry_after": "9" * 400}, "3 open throttled", 1, None, 1),
    case("429 with garbage", {"retry_after": "soon, \u2014 or \u0663", "times": 1}, "3 accepted", 0, 3, 2),
    case("429 for ever", {"status": 429}, "3 open throttled", 1, None, 2, config=TWICE),
    case("429 inside a 200", {"error": "too_frequent", "times": 1}, "3 accepted", 0, 3, 2),
    case("429 in Reddit's header", {"error": "rate_limited_header", "headers": {"RateLimit": '"default";r=0;t=2'},
         "times": 1}, "3 accepted", 0, 3, 2, feed=REDDIT, also=waited(2)),
    case("200 with a passing error in its body", {"error": "system_error", "times": 1}, "3 accepted", 0, 3, 2),
    case("200 with a code that nobody knows", {"error": 49999}, "3 rejected", 0, 3, 5),
    case("200 with half of a JSON text", {"body": '{"code": 0, "mess', "status": 200, "times": 1},
         "3 accepted", 0, 3, 2),
    case("200 with half of the bytes", {"truncated": True, "times": 1}, "3 accepted", 0, 3, 2,
         also=came(2)),
    case("200 with half of the bytes for ever", {"truncated": True}, "3 open no_answer", 1, None, 2, config=TWICE,
         then=case("the next run", None, "3 accepted", 0, 3, 1, also=came(3))),
    case("200 with nothing", {"empty": True, "times": 1}, "3 accepted", 0, 3, 2, also=came(2)),
    case("200 with HTML", {"html": True, "times": 1}, "3 accepted", 0, 3, 2),
    case("200 with HTML for ever", {"html": True}, "3 open transient", 1, None, 2, config=TWICE,
         says="a web page came instead of the network's answer"),
    case("Reddit: 200 with HTML for ever", {"html": True}, "3 open transient", 1, None, 2, config=TWICE, feed=REDDIT),
    case("Reddit: 200 with nothing", {"empty": True, "times": 1}, "3 accepted", 0, 3, 2, feed=REDDIT),
    case("Reddit: 200 with too small a count", {"wrong_count": 2}, "3 rejected unconfirmed", 0, 3, 1, feed=REDDIT),
    case("Reddit: 200 with too large a count", {"wrong_count": 4}, "3 accepted", 0, 3, 1, feed=REDDIT),
    case("200 with numbers and lists where texts belong", {"body": {"code": [0], "message": {"a": 1}}, "times": 1},
         "3 accepted", 0, 3, 3),
    case("200 with a thousand brackets", {"body": "[" * 1000, "status": 200, "times": 1}, "3 accepted", 0, 3, 2),
    case("500 three times, then 200", {"status": 500, "times": 3}, "3 accepted", 0, 3, 4),
    case("503 though the events are in", {"status": 503, "processed": True, "times": 1}, "3 accepted", 0, 3, 2,
         also=came(2)),
    case("401 in mid-run", {"error": "invalid_token", "after": 1}, "1 accepted, 2 open credentials", 1, 1, 2,
         config=ONE_BY_ONE, says="credentials refused (",
         quick=True, then=case("with a new token", None, "3 accepted", 0, 3, 2,
                   config={"tiktok": {"access_token": "canary-token-renewed"}})),
    case("a ceiling of two requests a second", None, "3 accepted", 0, 3, 3,
         config={**ONE_BY_ONE, "requests_per_second": 2}, also=took(0.9)),
    case("413 for a batch", {"status": 413, "times": 1}, "3 accepted", 0, 3, 3),
    case("an answer that repeats what it was sent", {"body": {"code": 50000, "message": ECHO}, "times": 1},
         "3 accepted", 0, 3, 2),
    case("a refusal that repeats what it was sent, and more", {"body": {"code": 40105, "message": ECHO}},
         "3 open credentials", 1, None, 1),
    case("headers that repeat it", {"headers": {"X-Echo": REPEATED}},
         "3 accepted", 0, 3, 1),
    case("one bad of 1,000 whose place is named", {"refuse_event_id": "evt-700"}, "999 accepted, 1 rejected",
         0, 1000, 2, feed=THOUSAND),
    case("one bad of 1,000 of whom nothing is said", {"refuse_event_id": "evt-700", "silent": True},
         "999 accepted, 1 rejected", 0, 1000, at_most(21), feed=THOUSAND, quick=True),
    case("nine bad of 1,000 of whom nothing is said",
         [{"refuse_event_id": f"evt-{number}", "silent": True} for number in range(1, 10)],
         "991 accepted, 9 rejected", 0, 1000, at_most(64), feed=THOUSAND),
    case("all bad, as with a wrong pixel", {"error": "not_exist"}, "1000 open credentials", 1, None, at_most(7),
         feed=THOUSAND, says="were refused in the same way",
         quick=True, then=case("with the right one", None, "1000 accepted", 0, 1000, 1, feed=THOUSAND)),
    case("Reddit: all bad", {"error": "bad_request"}, "1000 open credentials", 1, None, at_most(7),
         feed=purchases(1000, lean=True, network="reddit"), says="were refused in the same way"),
    case("all bad, and each is named", {"refuse_event": 0}, "997 open credentials, 3 rejected", 1, 3, 6,
         feed=THOUSAND, says="were refused in the same way"),
    case("three bad of three", {"error": "not_exist"}, "3 rejected", 0, 3, 5),
    *(
        case(f"{network}: one bad of 1,000", {"refuse_event_id": "evt-1"}, "999 accepted, 1 rejected", 0, 1000,
             at_most(21), feed=purchases(1000, lean=True, network=network, event_source_url="https://shop.example/"))
        for network, kind in NETWORKS.items()
        if network != "tiktok" and kind.request_limits.events > 1
    ),
]

CONNECTIONS = [
    case("connection refused", None, "3 open transient", 1, None, 0,
         config={**TWICE, "tiktok": {"base_url": "{nobody}"}}, says="connection refused"),
    case("no such host", None, "3 open transient", 1, None, 0,
         config={**TWICE, "tiktok": {"base_url": "https://no.such.host.invalid"}}, says="host name not found"),
    case("a certificate that nobody trusts", None, "3 open transient", 1, None, 0,
         config={**TWICE, "tiktok": {"base_url": "{untrusted}"}}, says="TLS certificate not trusted"),
    case("reset before the request was taken in", {"reset": "before", "times": 1}, "3 accepted", 0, 3, 2,
         also=came(1)),
    case("reset after the request was taken in", {"reset": "after", "times": 1}, "3 accepted", 0, 3, 2, quick=True,
         also=came(2)),
    case("reset for ever", {"reset": "after"}, "3 open no_answer", 1, None, 2, config=TWICE,
         then=case("the next run", None, "3 accepted", 0, 3, 1, also=came(3))),
    case("reset for ever, and two days later", {"reset": "after"}, "3 open no_answer", 1, None, 2, config=TWICE,
         then=case("the next run", None, "3 open no_answer", 1, None, 0, prepare=let_days_pass(2),
                   says="adpostbacks resolve EVENT_ID",
                   then=case("once two are resolved", None, "2 accepted, 1 open no_answer", 1, 2, 1,
                             prepare=resolve_by_hand))),
    case("reset for ever, and a day later the network is down", {"reset": "after"}, "3 open no_answer", 1, None, 2,
         config=TWICE,
         then=case("the next run", {"status": 503}, "3 open no_answer", 1, None, 2, prepare=let_days_pass(1),
                   then=case("and the one after it", None, "3 accepted", 0, 3, 1))),
    case("reset, then 503 for ever", [{"reset": "after", "times": 1}, {"status": 503}], "3 open no_answer", 1, None, 2,
         config=TWICE),
    case("no answer within the deadline", {"delay_seconds": 600, "times": 1}, "3 accepted", 0, 3, 2,
         config={"request_timeout_seconds": 1}, also=came(2)),
    case("an answer that drips", {"drip_seconds_per_byte": 0.5, "times": 1}, "3 accepted", 0, 3, 2,
         config={"request_timeout_seconds": 1}, also=came(2)),
    case("an answer of a gigabyte", {"body_bytes": 1 << 30, "times": 1}, "3 accepted", 0, 3, 2, also=came(2)),
    case("an answer that is a gzip bomb", {"body_bytes": 1 << 27, "gzip": True, "times": 1}, "3 accepted", 0, 3, 2,
         also=came(2)),
    case("a redirect to another host", {"redirect": "{elsewhere}/open_api/v1.3/event/track/", "status": 307},
         "3 open transient", 1, None, 2, config=TWICE),
    case("a redirect to a link-local address", {"redirect": "http://169.254.169.254/latest/meta-data/"},
         "3 open transient", 1, None, 2, config=TWICE),
    case("a redirect to itself", {"redirect": "/open_api/v1.3/event/track/", "status": 308, "times": 1},
         "3 accepted", 0, 3, 2),
]

LEDGERS = [
    case("the ledger's disk is full before anything is sent", None, NO_LEDGER, 1, None, 0, prefix=FULL_DISK,
         says="ledger: "),
    case("the ledger's disk is full when the answer comes", HELD, "", 1, None, 1, config=ONE_BY_ONE,
         act=fill_the_disk_once_sent, says="ledger: ",
         then=case("with room again", None, "3 accepted", 0, 3, 3)),
    case("the ledger's disk is full in the next run", None, "3 accepted", 0, 3, 1,
         then=case("without room", None, "3 accepted", 1, None, 0, prefix=FULL_DISK, feed=purchases(3, first=4),
                   says="ledger: ")),
    case("the ledger's folder is missing", None, NO_LEDGER, 1, None, 0, says="check ledger_url",
         config={"ledger_url": "sqlite:///missing/ledger.db"}),
    case("the ledger is torn", None, "3 accepted", 0, 3, 1,
         then=case("the next run", None, TORN, 1, None, 0, prepare=tear_the_ledger, says="ledger: ")),
    case("the ledger's journal is torn", HELD, "", KILLED, None, 1, act=cut_the_power_once_sent,
         then=case("the next run", None, "3 accepted", 0, 3, 1)),
    case("another file is in the ledger's place", None, TORN, 1, None, 0, prepare=put_another_file_there,
         says="ledger: "),
    case("the ledger is locked for a while when the answer comes", HELD, "3 accepted", 0, 3, 1,
         act=lock_the_ledger_for_a_while),
    case("the ledger can only be read", None, "3 accepted", 0, 3, 1,
         then=case("the next run", None, "3 accepted", 1, None, 0, feed=purchases(3, first=4), says="ledger: ",
                   config={"ledger_url": f"sqlite:///file:{LEDGER}?mode=ro&uri=true"})),
]

CLOCKS = [
    case("our clock is two hours behind", None, "3 skipped in_future", 0, 3, 0, feed=purchases(3, hours_ago=-2)),
    case("our clock is two hours ahead", None, "3 accepted", 0, 3, 1, feed=purchases(3, hours_ago=2)),
    case("conversions on this side of the window's edge", None, "3 accepted", 0, 3, 1,
         feed=purchases(3, hours_ago=28 * 24 - 0.5)),
    case("conversions on the other side of the window's edge", None, "3 skipped too_old", 0, 3, 0,
         feed=purchases(3, hours_ago=28 * 24 + 0.1)),
    case("conversions that are in the future by the network's clock", None, "3 rejected", 0, 3, 3,
         clock=timedelta(hours=-2)),
    case("a conversion that is too old by the network's clock only", None, "2 accepted, 1 rejected", 0, 3, 2,
         clock=timedelta(hours=2),
         feed=[*purchases(1), *purchases(1, first=2, hours_ago=28 * 24 - 1), *purchases(1, first=3)]),
]

RECORD = '{"type":"RECORD","stream":"conversions","record":'
LINES = [
    case(f"a line between two good ones: {name}", None, "2 accepted, 1 skipped invalid", 0, 2, 1, feed=after(line))
    for name, line in {
        "malformed JSON": b'{"type":"RECORD"',
        "an unknown type": b'{"type":"canary-type","stream":"conversions"}',
        "invalid UTF-8": RECORD.encode() + b'{"event_name":"p\xff"}}',
        "a lone surrogate": RECORD.encode() + b'{"event_name":"\\ud800"}}',
        "a NUL byte": RECORD.encode() + b'{"event_name":"\x00"}}',
        "an escaped NUL": record(**purchase(9, event_id="canary\x00id")),
        "a header in an id": record(**purchase(9, event_id="canary\r\nX-Evil: 1")),
        "NaN": RECORD.encode() + b'{"event_name":"purchase","value":NaN}}',
        "1e400": RECORD.encode() + b'{"event_name":"purchase","value":1e400}}',
        "true as value": record(**purchase(9, value=True)),
        "20 MB": RECORD.encode() + b'{"email":"canary.mail@example.com","x":"' + b"x" * 20_000_000 + b'"}}',
        "a hundred thousand brackets": RECORD.encode() + b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
        "a record that is no object": b'{"type":"RECORD","stream":"conversions","record":"canary.mail@example.com"}',
        "no event name": record(**purchase(9, event_name=None)),
        "no time": record(**purchase(9, event_time="canary-time")),
        "perhaps a test": record(**purchase(9, test="canary-perhaps")),
    }.items()
]

INPUT = [
    case("a byte order mark and Windows line ends", None, "3 accepted", 0, 3, 1,
         feed=[b"\xef\xbb\xbf" + encoded(THREE[0]).replace(b"\n", b"\r"),
               *(encoded(line).replace(b"\n", b"\r") for line in THREE[1:])]),
    case("a record before its schema", None, "1 accepted", 1, 1, 1, says="came before its schema",
         feed=[*purchases(1), record("unknown", **purchase(2)), state(2)]),
    case("a schema that is none in mid-stream", None, "3 accepted", 1, 3, 1,
         feed=[*THREE, {"type": "SCHEMA", "stream": "conversions"}, *purchases(3, first=4)], quick=True),
    case("a schema that changes in mid-stream", None, "4 accepted", 0, 4, 1,
         feed=[*THREE, {**schema(key=["id"]), "schema": {"properties": {"id": {"type": "integer"}}}},
               record(**purchase(4)), state(4)]),
    case("a BATCH message whose file is missing", None, "3 accepted", 1, 3, 1,
         feed=[*THREE, a_batch("file:///nowhere/batch.jsonl"), state(4)]),
    case("the input ends in the middle of a line", None, "3 accepted, 1 skipped invalid", 0, 3, 1,
         feed=[*THREE, encoded(record(**purchase(4)))[:100]]),
    case("an array of purchases on one line", None, "3 accepted", 0, None, 1,
         feed=[json.dumps([purchase(number) for number in (1, 2, 3)]).encode()]),
    *(
        case(f"no JSON lines but {name}", None, "", 1, None, 0, feed=feed, says=f"The input is no JSON lines: {says}",
             also=lambda stage: at_most_lines(stage, 2))
        for name, feed, says in [
            ("CSV", [b"event_name,email", *[b"purchase,canary.mail@example.com"] * 1000], "it looks like CSV"),
            ("an array over several lines", json.dumps([purchase(), purchase(2)], indent=1).encode().split(b"\n"),
             "it looks like an array over several lines"),
            ("UTF-16", [json.dumps(purchase()).encode("utf-16")] * 3, "it looks like UTF-16"),
        ]
    ),
    case("NaN, Infinity and half an emoji", None, "3 accepted", 0, {"a": "\ufffd"}, 1,
         feed=[schema(), *(json.dumps(record(**purchase(number, score=score))).encode()
                           for number, score in enumerate((float("nan"), float("-inf"), "x\ud83d"), 1)),
               b'{"type": "STATE", "value": {"a": "\\ud83d"}}']),
    *(
        case(f"a stream map with {name}", None, "", 1, None, 0, config={"stream_maps": {"conversions": mapped}},
             says=says, quick=name == "an unknown function",
             then=case("once it is mended", None, "3 accepted", 0, 3, 1, config={"stream_maps": {}}))
        for name, mapped, says in [
            ("an unknown function", {"value": "canary(value)"}, "stream_maps.conversions.value: calls a function"),
            ("an unknown name", {"value": "canary * 2"}, "stream_maps.conversions.value: names a column"),
            ("an unknown column in a filter", {"__filter__": "record['nowhere'] > 1"},
             "stream_maps.conversions.__filter__: names a column"),
        ]
    ),
    case("paths and headers in an id", None, "3 accepted", 0, 3, 1,
         feed=[schema(), record(**purchase(1, event_id="../../evil?x=1#y")), state(1),
               record(**purchase(2, event_id="evil: 1, X: 2")), state(2),
               record(**purchase(3, event_id="%0d%0aX-Evil:%201")), state(3)]),
]

LIMITS = [
    case("a column is renamed: five invalid of five", None, "5 skipped invalid", 1, None, 0,
         feed=renamed(5), says="5 of 5 records were invalid:", also=lambda stage: at_most_lines(stage, 5),
         quick=True, then=case("once it is mapped", None, "5 accepted, 5 skipped invalid", 0, 5, 1,
                               feed=renamed(5), config={"fields": {"event_time": "converted_at"}})),
    case("four invalid of four", None, "4 skipped invalid", 0, 4, 0, feed=renamed(4),
         says="too few to fail the run"),
    case("five invalid of five, which may be", None, "5 skipped invalid", 0, 5, 0,
         feed=renamed(5), config={"fail_above_invalid_percent": None}),
    case("five invalid of six", None, "1 accepted, 5 skipped invalid", 0, 6, 1,
         feed=[*renamed(5), *purchases(1, first=6)]),
    case("two invalid of six, where a tenth may be", None, "4 accepted, 2 skipped invalid", 1, 4, 1,
         feed=[*purchases(4), *renamed(2, first=5)], config={"fail_above_invalid_percent": 10},
         says="2 of 6 records were invalid, more than 10 %:"),
    case("five rejected of five", {"wrong_count": 2}, "5 rejected unconfirmed", 1, None, 1,
         feed=purchases(5, network="reddit"), says="5 of 5 conversions were rejected:",
         then=case("the next run", None, "5 accepted", 0, 5, 1, feed=purchases(5, network="reddit"))),
    case("four rejected of four", {"wrong_count": 2}, "4 rejected unconfirmed", 0, 4, 1,
         feed=purchases(4, network="reddit"), says="too few to fail the run"),
]

SETTINGS = [
    case(f"a setting with {name}", None, NO_LEDGER, 1, None, 0, config=config, says=says)
    for name, config, says in [
        ("a path in the pixel", {"reddit": {"pixel_id": "a2_canary/../../x"}}, "reddit.pixel_id"),
        ("a query in the pixel", {"reddit": {"pixel_id": "a2_canary?x=1"}}, "reddit.pixel_id"),
        ("a header in the token", {"tiktok": {"access_token": "canary\r\nX-Evil: 1"}}, "tiktok.access_token"),
        ("a header in the user agent", {"reddit": {"user_agent": "canary\r\nX-Evil: 1"}}, "reddit.user_agent"),
        ("letters in the token that no header takes", {"tiktok": {"access_token": "canary-\u2014"}},
         "tiktok.access_token"),
        ("plain http to another host", {"tiktok": {"base_url": "http://canary.example.com"}}, "tiktok.base_url"),
        ("a password in the address", {"tiktok": {"base_url": "https://canary:canary@example.com"}}, "tiktok.base_url"),
    ]
]

BETWEEN_RUNS = [
    case("the same input again", None, "3 accepted", 0, 3, 1, quick=True,
         then=case("again", None, "3 accepted", 0, 3, 0)),
    case("the same input into another ledger", None, "3 accepted", 0, 3, 1,
         then=case("sends the same bytes", None, "3 accepted", 0, 3, 1, config={"ledger_url": "sqlite:///other.db"},
                   also=came(2))),
    case("the same id with another payload", None, "3 accepted", 0, 3, 1,
         then=case("the next run", None, "3 accepted", 0, 3, 0, feed=purchases(3, value=1),
                   says="tiktok.default: value")),
    case("the same input after the ledger has forgotten it", None, "3 accepted", 0, 3, 1,
         then=case("the run that forgets", None, "3 accepted", 0, None, 0, feed=[], prepare=let_half_a_year_pass,
                   also=forgotten,
                   then=case("the next run", None, "3 accepted", 0, 3, 0))),
    case("another token", None, "3 accepted", 0, 3, 1,
         then=case("the next run", None, "3 accepted", 0, 3, 0, config={"tiktok": {"access_token": "canary-renewed"}})),
    case("another pixel", None, "3 accepted", 0, 3, 1,
         then=case("the next run", None, "6 accepted", 0, 3, 1,
                   config={"tiktok": {"pixel_code": "BBBBBBBBBBBBBBBBBBBB"}})),
]

ONE_EACH = [line for number, network in enumerate(NETWORKS, 1) for line in purchases(1, first=number, network=network)]

OTHERS = [
    *(
        case(f"{network} is down and the others are healthy", {"network": network, "status": 503},
             f"{len(NETWORKS) - 1} accepted, 1 open transient", 1, number or None,
             (len(NETWORKS) - 1, len(NETWORKS) + 1), feed=ONE_EACH, config=TWICE,  # or it does not even let us sign in
             then=case("the next run", None, f"{len(NETWORKS)} accepted", 0, len(NETWORKS), 1, feed=ONE_EACH))
        for number, network in enumerate(NETWORKS)
    ),
    case("one network does not answer and the others are healthy", {"network": "reddit", "hold": True},
         f"{len(NETWORKS)} accepted", 0, len(NETWORKS), len(NETWORKS), feed=ONE_EACH,
         act=answer_once_the_others_are_through, quick=True),
    case("one network lets the reader wait while the other has something due", {"network": "tiktok", "hold": True},
         "21 accepted", 0, 21, 11, feed=[*purchases(1, network="reddit"), *purchases(20, first=2)],
         config={"batch_size_rows": 2, "concurrency": 1, "max_batch_age_seconds": 1},
         act=answer_once_reddit_has_its_own),
    case("one network refuses us and the others are healthy", {"network": "reddit", "status": 401},
         f"{len(NETWORKS) - 1} accepted, 1 open credentials", 1, [*NETWORKS].index("reddit"), len(NETWORKS),
         feed=ONE_EACH),
]
# fmt: on

TABLE = [
    *SIGNALS,
    *ANSWERS,
    *CONNECTIONS,
    *LEDGERS,
    *CLOCKS,
    *LINES,
    *INPUT,
    *LIMITS,
    *SETTINGS,
    *BETWEEN_RUNS,
    *OTHERS,
]


@pytest.mark.parametrize(
    "row", [pytest.param(row, id=row.name, marks=[] if row.quick else [pytest.mark.slow]) for row in TABLE]
)
def test_whatever_happens_nothing_is_lost_and_nothing_counts_twice(row: Row, tmp_path: Path) -> None:
    play(row, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in TABLE[::12]])
def test_the_same_holds_with_worker_processes(row: Row, tmp_path: Path) -> None:
    play(row, tmp_path, eager.command(2))
