"""The stream that ``clicks`` names: its rows are kept, and nothing of them is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from target_adpostbacks.core.prepared import Prepared
from target_adpostbacks.run import Run
from target_adpostbacks.singer.lines import through
from target_adpostbacks.singer.state import Place

if TYPE_CHECKING:
    from singer_sdk.mapper import StreamMap


class ClickRows:
    """The rows of that stream, of a run that may have none. Belongs to the reading thread."""

    def __init__(self, run: Run) -> None:
        self._run, self._clicks = run, run.clicks

    def has(self, stream_map: StreamMap) -> bool:
        """Whether what a stream map makes is what ``clicks`` names."""
        return self._clicks is not None and stream_map.stream_alias == self._clicks.stream

    def take(
        self, stream_maps: Sequence[StreamMap], record: Mapping[str, Any], place: Place, line: int
    ) -> Sequence[StreamMap]:
        """Keep what a record tells of clicks; the stream maps of the others."""
        if (clicks := self._clicks) is None:
            return stream_maps
        for row in through(filter(self.has, stream_maps), record, _as_it_is, stream=clicks.stream, line=line):
            if isinstance(row, Prepared):
                clicks.leave_out("stream_maps", row.invalid.partition(": ")[2], line)
            elif row is not None and self._run.failed is None:
                clicks.keep(row, place, line)
        return [each for each in stream_maps if not self.has(each)]

    def leave_out_line(self, name: str, field: str, rule: str, line: int) -> bool:
        """Whether a line of that stream that can't be read is none of conversions; then it is counted."""
        if self._clicks is None or name != self._clicks.stream:
            return False
        self._clicks.leave_out("unreadable", f"{field}: {rule}", line)
        return True


def _as_it_is(mapped: Mapping[str, Any], _alias: str) -> Mapping[str, Any]:
    return mapped
