"""Posts attributed conversions back to ad networks, server to server.

``deliver`` is the door for Python; Singer's is the command ``target-adpostbacks``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import os

    from target_adpostbacks.delivery.balance import Tally

__all__ = ["__version__", "deliver"]

__version__: str


def deliver(
    records: Iterable[Mapping[str, Any]],
    config: Mapping[str, Any] | str | os.PathLike[str],
    *,
    stream: str = "conversions",
    key: Sequence[str] = ("event_id",),
    owner: str | None = None,
    results: Callable[[Iterable[Mapping[str, Any]]], object] | None = None,
) -> Tally:
    """Deliver conversion records and return what became of them.

    ``records``: mappings of columns, as the target reads them; a generator is read as it comes, and may use one record
    again and again. Values may be those of pandas or NumPy, and what is missing there counts as left out. While a
    generator waits, so does what it gave last: 49 records at most, and what is in batches. ``config``: the target's
    settings, or the path of a JSON file that holds them; those that only Singer applies are refused
    (``stream_maps``, ``flattening_enabled``, ``results_path``). Of the environment the ledger's place is read, if the
    config has no ``ledger_url``, and the variables of OpenTelemetry. ``stream``: the name that the ledger keeps of
    where they came from; ``key``: the columns that make a record one record, for records without ``event_id``.
    ``owner``: the name of a task that delivers beside others, to the same assets: each claims what it is about to send,
    so that no two send one conversion. No two tasks that live at one time have the same name. ``results``: is called
    with rows of `deliveries` (docs/ledger.md), those that the call wrote: at its end, and where the ledger is compact
    also on any thread, right before each commit, with what that does not keep.

    The tally has ``read``, ``accepted``, ``already_accepted`` and ``rejected`` as numbers, ``skipped`` and ``open`` by
    reason. What is open is sent by the next call with the same records, and nothing accepted is sent twice.

    Raises ``config.InvalidConfig`` for mistakes in the config, ``ledger.UnusableLedger`` where the ledger can't be
    opened or written, and whatever ``records`` raises, once everything before it is delivered. Data raises nothing.
    May be called from any thread; installs no signal handler, writes nothing to standard output.
    """
    from target_adpostbacks.run import deliver

    return deliver(records, config, stream=stream, key=key, owner=owner, results=results)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("target-adpostbacks")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
