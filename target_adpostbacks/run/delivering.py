"""A run for a caller in Python: records and a config in, a tally out."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from target_adpostbacks import config as configuration
from target_adpostbacks.config import files
from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.prepared import digest, invalid
from target_adpostbacks.delivery.balance import Tally
from target_adpostbacks.run.ahead import Ahead
from target_adpostbacks.run.plain import plain
from target_adpostbacks.run.run import Run

TICK_SECONDS = 0.5
LONGEST_OWNER = 200
"""Characters of an owner's name."""
LOG = logging.getLogger("target_adpostbacks")
_ONE_AT_A_TIME = threading.Lock()
"""To read a config: msgspec ends the process where two threads look at a struct's annotations for the first time."""
SINGER_SETTINGS = ("stream_maps", "flattening_enabled", "results_path")
"""Settings that change what is sent or written, and that ``deliver`` can't apply."""


def deliver(
    records: Iterable[Mapping[str, Any]],
    config: Mapping[str, Any] | str | os.PathLike[str],
    *,
    stream: str = "conversions",
    key: Sequence[str] = ("event_id",),
    owner: str | None = None,
    results: Callable[[Iterable[Mapping[str, Any]]], object] | None = None,
) -> Tally:
    """See ``target_adpostbacks.deliver``."""
    settings = _settings(config)
    general, accounts = _read(settings)
    if owner is not None and not (isinstance(owner, str) and 0 < len(owner) <= LONGEST_OWNER and owner.isprintable()):
        raise configuration.InvalidConfig([f"owner: a text of 1 to {LONGEST_OWNER} printable characters expected"])
    run = Run(general, accounts, log=LOG, max_batch_rows=settings.get("batch_size_rows"), owner=owner)
    if results is not None and run.ledger.layout == "compact":
        run.ledger.tell = results
    run.begin()
    mistakes: list[str] = []
    interrupt = 0
    ahead = Ahead(run, stream, key, 0 if general.clicks else general.workers or 0, LOG)
    try:
        _add_all(run, records, stream, ahead)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            interrupt = signal.SIGINT
            run.stop()
        mistakes.append(f"The records ended with {type(error).__name__}; those before it are delivered.")
        raise
    finally:
        try:
            ahead.close()
            run.settle()
            if results is not None:
                results(run.ledger.changes_of_run())
        finally:
            tally = run.tally
            run.close(mistakes, interrupt)
    if run.failed is not None:
        raise run.failed
    return tally


def _settings(config: Mapping[str, Any] | str | os.PathLike[str]) -> Mapping[str, Any]:
    if isinstance(config, Mapping):
        return files.without_comments(config)
    try:
        settings = msgspec.json.decode(Path(config).read_bytes())
        if isinstance(settings, dict):
            return files.without_comments(settings)
    except TypeError:
        raise configuration.InvalidConfig(["config: a mapping, or the path of a JSON file expected"]) from None
    except OSError as error:
        raise configuration.InvalidConfig([f"config file: {error.strerror or type(error).__name__}"]) from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise configuration.InvalidConfig(["config file: not valid JSON"]) from None
    raise configuration.InvalidConfig(["config file: a JSON object expected"])


def _read(settings: Mapping[str, Any]) -> tuple[configuration.General, dict[str, list[Account]]]:
    mistakes = [
        f"{name}: only the Singer target applies it; leave it out" for name in SINGER_SETTINGS if settings.get(name)
    ]
    try:
        with _ONE_AT_A_TIME:
            general, accounts = configuration.read(settings)
    except configuration.InvalidConfig as error:
        raise configuration.InvalidConfig([*mistakes, *error.mistakes]) from None
    if mistakes:
        raise configuration.InvalidConfig(mistakes)
    return general, accounts


def _add_all(run: Run, records: Iterable[Any], stream: str, ahead: Ahead) -> None:
    ticked = time.monotonic()
    try:
        for line, record in enumerate(records, 1):
            if run.failed:
                return
            if isinstance(record, Mapping):
                ahead.add(plain(record), line)
            else:
                ahead.take(invalid(stream, line, digest(record, line), "record", "not a mapping of columns"))
            if time.monotonic() - ticked >= TICK_SECONDS:
                ticked = time.monotonic()
                run.tick(ahead.waited)
    except Exception:  # whatever the caller's records raise: those before it are delivered, and the caller gets it
        ahead.finish()
        raise
    else:
        ahead.finish()
