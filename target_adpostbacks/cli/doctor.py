"""adpostbacks doctor: says what is wrong with data before the networks do. Nothing is sent, no ledger is opened."""

from __future__ import annotations

import gzip
import sys
import textwrap
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timezone
from itertools import groupby
from typing import IO, Any, cast

import click
import msgspec

from target_adpostbacks import config as configuration
from target_adpostbacks.cli import _configs, _options
from target_adpostbacks.cli._output import as_json, write_csv
from target_adpostbacks.cli._tables import columns, terminal
from target_adpostbacks.config import sources as configured
from target_adpostbacks.config.stand_ins import every_network
from target_adpostbacks.doctor import FINDINGS, LEVELS, Diagnosis, Examination, FileMemory, Found, Row
from target_adpostbacks.networks import NETWORKS
from target_adpostbacks.run import preparation_of
from target_adpostbacks.singer.batch_files import bounded
from target_adpostbacks.singer.messages import UnreadableInput
from target_adpostbacks.singer.progress import Progress
from target_adpostbacks.singer.records import Records

COLORS = {"error": "red", "warning": "yellow", "note": "cyan"}
MOST_ROWS = 40
"""Rows of the coverage that a table shows."""
INDENT = " " * 9
INTERRUPTED = 130
LONG = 40
"""Characters of an event id that a terminal shows."""


@click.command()
@_options.file_of_conversions
@click.option(
    "--config",
    "paths",
    metavar="FILE",
    multiple=True,
    help="The config of target-adpostbacks: fields, accounts, time zone, stream maps. No token is needed. ENV reads"
    " `.env`. Without it: every network, and columns called as docs/record.md says.",
)
@_configs.source_option
@_options.output("table", "json", "csv")
@click.option("--fail-on", type=click.Choice(["warning", "error"]), help="Exit 1 if there is one; a warning or worse.")
def doctor(file: IO[bytes], paths: Sequence[str], source: str | None, style: str, fail_on: str | None) -> None:
    """Say what is wrong with conversions before the networks do.

    Nothing is sent. Each finding says in how many records it is, where it is first, what it costs, and what to change.
    The coverage says how many conversions have what a network can match by. docs/doctor.md has all findings.

    \b
    error    the network would refuse it, or it can match nobody
    warning  money or matches suffer
    note     the rest

    \b
    Example: adpostbacks doctor --input conversions.jsonl --config config.json --fail-on error
    """
    if paths:
        config, general, accounts = _configs.read(paths, with_secrets=False, source=source)
    else:
        config, general, accounts = _without_config(source)
    with closing(FileMemory()) as memory:
        examination = Examination(
            preparation_of(general, accounts),
            NETWORKS.values(),
            memory,
            fields=() if configured.names_of(general.source) else general.fields,
            is_zone_known="default_timezone" in config or configured.has_zone(general),
        )
        is_whole = _examine(file, config, examination)
        diagnosis = examination.diagnosis()
    WRITERS[style](diagnosis)
    if not is_whole:
        click.echo(f"Interrupted: this is true of the first {diagnosis.records:,} records.", err=True)
        sys.exit(INTERRUPTED)
    worst = diagnosis.worst()
    sys.exit(1 if fail_on and worst and LEVELS.index(worst) <= LEVELS.index(fail_on) else 0)


@contextmanager
def _opened(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """The file, decompressed where its name says that it is compressed."""
    if not _name(file).endswith(".gz"):
        yield file
        return
    with gzip.open(file) as unpacked:
        yield cast("IO[bytes]", bounded(unpacked))


def _name(file: IO[bytes]) -> str:
    return str(getattr(file, "name", "-"))


def _without_config(source: str | None) -> _configs.Configured:
    """Every network, and nothing at the top but where the rows come from."""
    config = {"source": source} if source else {}
    try:
        return _configs.Configured(config, configuration.of_top(config), every_network())
    except configuration.InvalidConfig as error:
        raise click.ClickException(str(error)) from None


def _examine(file: IO[bytes], config: Mapping[str, Any], examination: Examination) -> bool:
    """Read the input; whether to its end."""
    progress = Progress(lambda: f"{examination.records:,} records", lambda text: click.echo(text, err=True))
    now = datetime.now(timezone.utc)
    records = Records(
        config,
        lambda record, place: examination.take(record, now, stream=place.stream, key=place.key, line=place.line),
        lambda bad, line: examination.refuse(line, bad.field, bad.rule, bad.event_id),
        progress.show,
    )
    progress.start()
    try:
        with _opened(file) as lines:
            records.read(lines)
    except UnreadableInput as error:
        progress.stop()
        raise click.ClickException(str(error)) from None
    except (OSError, EOFError, zlib.error) as error:
        progress.stop()
        raise click.ClickException(f"{_name(file)}: can't be read ({type(error).__name__})") from None
    except KeyboardInterrupt:
        return False
    finally:
        progress.stop()
    return True


def _write_json(diagnosis: Diagnosis) -> None:
    sys.stdout.write(msgspec.json.format(as_json(diagnosis)) + "\n")


CELLS = ("finding", "level", "column", "network", "count", "share", "line", "event_id", "advice")


def _write_csv(diagnosis: Diagnosis) -> None:
    findings = ({**msgspec.structs.asdict(each), **msgspec.structs.asdict(each.example)} for each in diagnosis.findings)
    write_csv(CELLS, findings)


def _write_table(diagnosis: Diagnosis) -> None:
    width, colored = terminal()
    for line in table(diagnosis, width, colored=colored):
        sys.stdout.write(line + "\n")


def table(diagnosis: Diagnosis, width: int | None, *, colored: bool) -> Iterator[str]:
    """Lines for people, fitted to a terminal; ``width`` None: a line for each finding and each text."""
    yield from _summary(diagnosis)
    yield from _findings(diagnosis.findings, width, _colored if colored else lambda text, _: text)
    yield from _coverage(diagnosis.coverage, width)


def _colored(text: str, level: str) -> str:
    return text.replace(level, click.style(level, fg=COLORS[level]), 1)


def _summary(diagnosis: Diagnosis) -> Iterator[str]:
    counts = Counter(each.level for each in diagnosis.findings)
    found = ", ".join(f"{counts[level]} {level}{'s' * (counts[level] != 1)}" for level in LEVELS if counts[level])
    records = "1 record" if diagnosis.records == 1 else f"{diagnosis.records:,} records"
    yield f"{records}: {found or 'nothing found'}."


def _findings(findings: Sequence[Found], width: int | None, color: Callable[[str, str], str]) -> Iterator[str]:
    """A line for each, with where it is first, and below those of one kind what it is and what to change."""
    if not findings:
        return
    head, *lines = columns([HEAD, *map(_facts, findings)], width)
    yield ""
    yield head
    for slug, several in groupby(zip(findings, lines, strict=True), lambda each: each[0].finding):
        finding = FINDINGS[slug]
        for found, line in several:
            yield color(line, found.level)
            event_id = found.example.event_id or ""
            if width is not None and len(event_id) > LONG:
                event_id = f"{event_id[: LONG // 2]}…{event_id[1 - LONG // 2 :]}"
            place = f"line {found.example.line}" + (f", {event_id}" if event_id else "")
            yield from _wrapped(f"First: {place}. {found.words}".rstrip(), width)
        yield from _wrapped(f"{finding.what} {finding.advice}", width)


HEAD = ("Level", "Finding", "Where", "  Count", " Share")


def _facts(found: Found) -> tuple[str, ...]:
    where = ", ".join(filter(None, (found.column, found.network)))
    return found.level, found.finding, where, f"{found.count:7,}", f"{found.share:6.1%}"


def _wrapped(text: str, width: int | None) -> Iterator[str]:
    if width is None:
        yield INDENT + text
    else:
        yield from textwrap.wrap(
            text, max(width, 2 * len(INDENT)), initial_indent=INDENT, subsequent_indent=INDENT, break_on_hyphens=False
        )


def _coverage(rows: Sequence[Row], width: int | None) -> Iterator[str]:
    if not rows:
        return
    yield ""
    yield from textwrap.wrap(LEGEND, width or len(LEGEND))
    yield from columns([COVERAGE, *map(_cells, rows[:MOST_ROWS])], width)
    if len(rows) > MOST_ROWS:
        yield f"{len(rows) - MOST_ROWS} more: --format json has all."


LEGEND = (
    "Coverage: conversions with a click id, an e-mail address, a phone number, IP address and user agent; with nothing"
    " that the network could match by; and the missing column that would add most"
)
COVERAGE = ("Network", "Event", " Count", "Click", "Email", "Phone", "IP+UA", "Nothing", "Adds most")


def _cells(row: Row) -> tuple[str, ...]:
    parts = (row.click_id, row.email, row.phone, row.ip_and_user_agent)
    shares = (f"{part / row.count:5.0%}" for part in parts)
    network, best = row.network or "(none)", row.add.column if row.add else ""
    return network, row.event, f"{row.count:6,}", *shares, f"{row.unmatched:7,}", best


WRITERS: Mapping[str, Callable[[Diagnosis], None]] = {"table": _write_table, "json": _write_json, "csv": _write_csv}
