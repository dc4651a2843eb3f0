"""A row of the hostile table: what is fed, what goes wrong, and what must come of it; and how it is played."""

from __future__ import annotations

import json
import os
import re
import socket
import sqlite3
import ssl
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import IO, Any

import trustme
from canaries import PERSONAL, SECRET_SETTINGS, canaries_in, left_behind
from patience import PATIENCE
from run_target import COMMAND, Target, encoded, record, schema, state

from target_adpostbacks.networks import NETWORKS
from target_adpostbacks.sandbox import Sandbox
from target_adpostbacks.sandbox.networks import SANDBOX_NETWORKS

LEDGER = "adpostbacks.db"
NO_LEDGER = "no ledger"
TORN = "torn"

NOW = datetime.now(timezone.utc)


def purchase(number: int = 1, *, hours_ago: float = 1, lean: bool = False, **columns: Any) -> dict[str, Any]:
    """The columns of a purchase for TikTok, full of canaries; ``lean``: a thousand fit into a request."""
    person = {name: PERSONAL[name] for name in ("email", "ttclid")} if lean else PERSONAL
    return {
        "event_name": "purchase",
        "event_id": f"evt-{number}",
        "event_time": (NOW - timedelta(hours=hours_ago)).isoformat(),
        "network": "tiktok",
        "value": 19.99,
        "currency": "EUR",
        **person,
        **columns,
    }


def purchases(count: int, first: int = 1, **columns: Any) -> list[Any]:
    """A stream of purchases, each followed by state of its number."""
    lines: list[Any] = [schema()]
    for number in range(first, first + count):
        lines += [record(**purchase(number, **columns)), state(number)]
    return lines


KNOWN = [
    name
    for name, network in NETWORKS.items()
    if "click_id" not in network.click_ids and network.dedup_window is not None
]
"""Networks that a record finds by its click ids, of which `click_id` names none, and that know a repetition. Where a
network does not, what a kill left without an answer stays open until somebody resolves it."""

THREE = purchases(3)


class Stage:
    """A run under way, and what can be done to it."""

    def __init__(
        self, target: Target, sandbox: Sandbox, process: subprocess.Popen[bytes], lines: Sequence[Any]
    ) -> None:
        self.target, self.sandbox, self.process = target, sandbox, process
        self.folder = target.folder
        self._before = requested(sandbox)
        self._stdout, self._stderr = (Collected(pipe) for pipe in (process.stdout, process.stderr))
        self._feeder = threading.Thread(target=self._feed, args=(b"".join(encoded(line) for line in lines),))
        self._feeder.start()

    def _feed(self, data: bytes) -> None:
        assert self.process.stdin
        with suppress(BrokenPipeError):
            self.process.stdin.write(data)
            self.process.stdin.flush()

    def close_input(self) -> None:
        """The end of the input: nothing more comes."""
        self._feeder.join(PATIENCE)
        assert not self._feeder.is_alive(), "the input is not read"
        assert self.process.stdin
        with suppress(BrokenPipeError):
            self.process.stdin.close()

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Until it is true; the test fails where the process ends before."""
        until = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < until, f"it never came\n{self.stderr}"
            assert self.process.poll() is None or condition(), f"it ended before\n{self.stderr}"
            time.sleep(0.01)

    def wait_for_log(self, text: str) -> None:
        """Until it is on standard error."""
        self.wait_until(lambda: text in self.stderr)

    def wait_for_request(self, count: int = 1) -> None:
        """Until the sandbox has so many requests of this run."""
        self.wait_until(lambda: self.requests >= count)

    def wait_for_state(self, value: Any) -> None:
        """Until it is the last one on standard output."""
        self.wait_until(lambda: self.states[-1:] == [value])

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def release(self) -> None:
        """The sandbox gives the answers that it holds; from now on all is well."""
        self.sandbox.faults = []

    def end(self) -> None:
        """Close what is open and wait until the process has ended."""
        try:
            self.close_input()
            self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self.process.wait()
            for output in (self._stdout, self._stderr):
                output.end()

    @property
    def requests(self) -> int:
        """How many requests of this run with conversions the sandbox has received."""
        return requested(self.sandbox) - self._before

    def attempted(self) -> list[Any]:
        """When each request that the ledger knows of was made."""
        with suppress(sqlite3.Error):
            return [datetime.fromisoformat(row[0]) for row in self.target.rows("started_at", "attempts")]
        return []

    @property
    def stdout(self) -> str:
        return self._stdout.text

    @property
    def stderr(self) -> str:
        return self._stderr.text

    @property
    def states(self) -> list[Any]:
        """What was written to standard output; a line that is cut off counts for nothing."""
        return [json.loads(line) for line in self.stdout.splitlines(keepends=True) if line.endswith("\n")]


SIGN_IN = "/token"
"""Where an account that signs in gets its access: one more request, without conversions."""


def requested(sandbox: Sandbox) -> int:
    signed_in: int = sum(request["path"] == SIGN_IN for request in sandbox.requests)
    return int(sandbox.stats()["requests"]) - signed_in


class Collected:
    """Everything that comes out of a pipe, as it comes."""

    def __init__(self, pipe: IO[bytes] | None) -> None:
        self._data = bytearray()
        self._thread = threading.Thread(target=self._read, args=(pipe,))
        self._thread.start()

    def _read(self, pipe: IO[bytes] | None) -> None:
        if pipe:  # None: it goes elsewhere
            with pipe:
                while data := os.read(pipe.fileno(), 1 << 16):
                    self._data += data

    def end(self) -> None:
        self._thread.join()

    @property
    def text(self) -> str:
        return self._data.decode()


Act = Callable[[Stage], None]


def let_it_run(_: Stage) -> None:
    """Nothing happens to the process."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One run of the command. ``then``: the run after it, on the same ledger and the same sandbox."""

    name: str
    faults: Sequence[Any]
    rows: str
    code: int
    state: Any
    requests: int | Container[int]
    feed: Sequence[Any] = field(default_factory=lambda: THREE)
    config: dict[str, Any] = field(default_factory=dict)
    act: Act = let_it_run
    prepare: Callable[[Path], object] = lambda _: None
    says: str = ""
    clock: timedelta = timedelta()
    stdout: Callable[[], int] = lambda: subprocess.PIPE
    prefix: Sequence[str] = ()
    also: Callable[[Stage], object] = lambda _: None
    then: Row | None = None
    quick: bool = False


def case(
    name: str,
    faults: Any,
    rows: str,
    code: int,
    state: Any,
    requests: int | Container[int],
    **more: Any,
) -> Row:
    """A row of the table.

    ``faults``: one of the sandbox's rules, or a list of them; ``rows``: what is in the ledger, counted; ``state``:
    the last on standard output, None: none came; ``requests``: what the sandbox received, exactly or within a range.
    ``feed``, ``config``: where they differ; ``act``: what happens to the process, its input still open; ``prepare``:
    to its folder, before; ``says``: a word on standard error; ``clock``: how far the network's clock is ahead;
    ``stdout``: where state goes; ``prefix``: the command's command; ``also``: what else must be so; ``then``: the run
    after it; ``quick``: it belongs to every change.
    """
    rules = faults if isinstance(faults, list) else [faults] if faults else []
    return Row(name=name, faults=rules, rows=rows, code=code, state=state, requests=requests, **more)


def at_most(count: int) -> range:
    """So many requests or fewer, but at least one."""
    return range(1, count + 1)


def play(row: Row, folder: Path, command: Sequence[str] = (COMMAND,)) -> None:
    """Do what the row says, run after run, and hold each promise against what came of it."""
    with ExitStack() as stack:
        places = {place: stack.enter_context(made()) for place, made in PLACES.items() if place in repr(row)}
        sandbox = stack.enter_context(Sandbox(now=lambda: datetime.now(timezone.utc) + row.clock))
        target = Target(folder, sandbox.url)
        run: Row | None = row
        while run:
            _play(run, target, sandbox, places, command)
            run = run.then


def _play(row: Row, target: Target, sandbox: Sandbox, places: dict[str, str], command: Sequence[str]) -> None:
    row.prepare(target.folder)
    sandbox.faults = _placed(row.faults, places)
    stdout = row.stdout()
    process = start(target, row.prefix, stdout, command, **_placed(row.config, places))
    if stdout != subprocess.PIPE:
        os.close(stdout)
    stage = Stage(target, sandbox, process, row.feed)
    try:
        row.act(stage)
    except BaseException:
        process.kill()
        raise
    finally:
        stage.end()
    told = f"{row.name}\n{stage.stderr}"
    assert stage.process.returncode == row.code, told
    assert row.says in stage.stderr, told
    assert (stage.states or [None])[-1] == row.state, told
    assert counted(target) == row.rows, told
    wanted = row.requests if isinstance(row.requests, Container) else (row.requests,)
    assert stage.requests in wanted, f"{stage.requests} requests. {told}"
    keeps_its_promises(stage, row.feed)
    row.also(stage)


def start(
    target: Target,
    prefix: Sequence[str] = (),
    stdout: int = subprocess.PIPE,
    command: Sequence[str] = (COMMAND,),
    **config: Any,
) -> subprocess.Popen[bytes]:
    """The command with a config of canaries, a loud log, and a folder of its own for what it leaves behind."""
    for name in target.config.keys() & SECRET_SETTINGS:
        hidden = SECRET_SETTINGS[name]
        target.config[name] |= {**hidden, "max_retry_seconds": PATIENCE, **config.pop(name, {})}
    target.config |= {"results_path": "results-{run_id}.jsonl", "request_timeout_seconds": PATIENCE, **config}
    (target.folder / "tmp").mkdir(exist_ok=True)
    env = {"LOGLEVEL": "DEBUG", "TARGET_ADPOSTBACKS_LOGLEVEL": "DEBUG", "TMPDIR": "tmp"}
    return target.start(env=env, command=[*prefix, *command], stdout=stdout)


def counted(target: Target) -> str:
    """``'999 accepted, 1 rejected'``: the ledger's rows by status and reason; or that it can't be read."""
    file = target.folder / LEDGER
    if not file.exists() or not file.stat().st_size:
        return NO_LEDGER
    with suppress(sqlite3.Error):
        rows = Counter(" ".join(filter(None, row)) for row in target.rows("status, reason"))
        return ", ".join(f"{count} {what}" for what, count in sorted(rows.items()))
    return TORN


def keeps_its_promises(stage: Stage, feed: Sequence[Any]) -> None:
    """Whatever happened: no state ahead of a verdict, the same bytes each time, nothing personal, a right sum."""
    assert canaries_in(left_behind(stage.folder, stage.stdout, stage.stderr)) == []
    assert "Traceback" not in stage.stderr
    assert "please report" not in stage.stderr
    if counted(stage.target) not in (NO_LEDGER, TORN):
        assert without_verdict(stage, feed) == []
        assert accepted_by_us(stage.target) <= accepted_by(stage.sandbox)
    assert sent_with_other_bytes(stage.sandbox) == []
    if "Done in " in stage.stderr:
        assert balances(stage.stderr)


def without_verdict(stage: Stage, feed: Sequence[Any]) -> list[str]:
    """The event ids that state has passed although no verdict of theirs is in the ledger."""
    if not stage.states:
        return []
    final = {row[0] for row in stage.target.rows("event_id", "deliveries WHERE status != 'open'")}
    before: list[str] = []
    for line in feed:
        if isinstance(line, dict) and line.get("type") == "STATE" and line["value"] == stage.states[-1]:
            break
        if isinstance(line, dict) and line.get("type") == "RECORD" and "event_id" in line["record"]:
            before.append(line["record"]["event_id"])
    return [event_id for event_id in before if event_id not in final]


def accepted_by_us(target: Target) -> set[tuple[str, ...]]:
    rows = target.rows("network, asset, event_id", "deliveries WHERE status = 'accepted'")
    return {(network, seen_as(network, asset.partition("@")[0]), event_id) for network, asset, event_id in rows}


def accepted_by(sandbox: Sandbox) -> set[tuple[str, ...]]:
    events = [*sandbox.received, *sandbox.test_events]
    return {(event["network"], seen_as(event["network"], event["asset"]), event["event_id"]) for event in events}


def seen_as(network: str, asset: str) -> str:
    """What receives, where the network is told of it; an account's name is ours alone."""
    return "" if NETWORKS[network].accounts_are_networks else asset


def sent_with_other_bytes(sandbox: Sandbox) -> list[str]:
    """The event ids that came more than once, and not with the same bytes."""
    seen: dict[tuple[str, str], set[bytes]] = {}
    for path, event_id, event in sent_events(sandbox):
        seen.setdefault((path, event_id), set()).add(json.dumps(event).encode())
    return [event_id for (_, event_id), payloads in seen.items() if len(payloads) > 1]


def sent_events(sandbox: Sandbox) -> Iterator[tuple[str, str, Any]]:
    """Each event of each request: its path, its id, itself."""
    for request in sandbox.requests:
        body = request["body"]
        event_ids = SANDBOX_NETWORKS[request["network"]].event_ids(body)
        if event_ids:
            holder = body["data"] if isinstance(body.get("data"), dict) else body
            lists = (each for name, each in holder.items() if name != "destinations" and isinstance(each, list))
            events = next(each for each in lists if len(each) == len(event_ids))
            yield from ((request["path"], *each) for each in zip(event_ids, events, strict=True))


def balances(stderr: str) -> bool:
    """Whether the last line's equation closes: every outcome is there, accepted or not."""
    said = {name: int(count) for name, count in _COUNT.findall(stderr.rsplit(" s: ", 1)[1])}
    return said["outcomes" if "outcomes" in said else "read"] == sum(said.get(name, 0) for name in OUTCOMES)


OUTCOMES = ("accepted", "already accepted", "rejected", "skipped", "open")
_COUNT = re.compile(r"(read|outcomes|already accepted|accepted|rejected|skipped|open) (\d+)")


@contextmanager
def nobody_listens() -> Iterator[str]:
    """A port that is taken, so that nobody else can answer there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@contextmanager
def another_host() -> Iterator[str]:
    """A network where nothing may arrive."""
    with Sandbox() as sandbox:
        yield sandbox.url
        assert sandbox.requests == []


@contextmanager
def untrusted_certificate() -> Iterator[str]:
    """A network whose certificate nobody has signed that we know; nothing may arrive."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with Sandbox(tls=context) as sandbox:
        yield sandbox.url
        assert sandbox.requests == []


@contextmanager
def in_five_seconds() -> Iterator[str]:
    """No place but a time, as HTTP writes it."""
    yield format_datetime(datetime.now(timezone.utc) + timedelta(seconds=5), usegmt=True)


PLACES: dict[str, Callable[[], Any]] = {
    "{in five seconds}": in_five_seconds,
    "{nobody}": nobody_listens,
    "{elsewhere}": another_host,
    "{untrusted}": untrusted_certificate,
}


def _placed(value: Any, places: dict[str, str]) -> Any:
    """The same with the places' addresses in it."""
    if isinstance(value, str):
        for place, address in places.items():
            value = value.replace(place, address)
        return value
    if isinstance(value, dict):
        return {key: _placed(member, places) for key, member in value.items()}
    return [_placed(member, places) for member in value] if isinstance(value, list) else value
