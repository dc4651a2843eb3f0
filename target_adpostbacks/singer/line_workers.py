"""The workers of a Singer run: when there are some, and what they know of the streams."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from target_adpostbacks.config import SdkSettings
from target_adpostbacks.core.preparation import Preparation
from target_adpostbacks.singer import maps
from target_adpostbacks.singer.lines import Lines, Stream
from target_adpostbacks.singer.sinks import ConversionSink
from target_adpostbacks.workers.pool import Worker, Workers

if TYPE_CHECKING:
    from target_adpostbacks.singer.head_start import HeadStart


class LineWorkers:
    """``count`` of them; 0: blocks of lines are prepared here; None, and where stream maps draw by lot: none are.

    ``config``: the target's, before the SDK has taken anything out of it; ``warn``: says that one was lost;
    ``started``: those that have been started before; ``head_start``: those that have begun before.
    """

    def __init__(
        self,
        count: int | None,
        config: Mapping[str, Any],
        warn: Callable[[str], None],
        started: Sequence[Worker] = (),
        head_start: HeadStart | None = None,
    ) -> None:
        self._settings = {
            name: copy.deepcopy(config[name]) for name in SdkSettings.__struct_fields__ if config.get(name) is not None
        }
        self.count = None if maps.draw(self._settings.get("stream_maps") or {}) else count
        self._warn = warn
        self._started, self._head_start = started, head_start
        self._pool: Workers | None = None
        self._is_plain = False
        self._known: dict[str, tuple[Sequence[Any], Sequence[ConversionSink], Stream]] = {}

    def start(
        self, preparation: Preparation, unmet: Sequence[str], *, plain: bool, after: int, line: int
    ) -> Workers | None:
        """Who prepares blocks of lines; ``unmet``: columns whose path in ``fields`` has met nothing yet.

        ``after``: lines after which processes do so; ``line``: how many have been read.
        """
        number = self.count or 0
        for needless in self._started[number:]:
            needless.end(at_once=True)
        work = Lines(preparation, unmet, plain=plain, sdk_settings=self._settings)
        work.tell({name: stream for name, (_, _, stream) in self._known.items()})
        self._is_plain = plain
        if self._head_start and self._head_start.is_of(work, number, line):
            self._pool = self._head_start.taken_over(work, self._warn)
        else:
            if self._head_start:
                self._head_start.workers.close()
            if self.count is not None:
                self._pool = Workers(work, self.count, self._warn, after=after, started=self._started[:number])
        return self._pool

    def knows(self, name: str) -> bool:
        """Whether records of a stream are no news to the workers."""
        return name in self._known

    def know(self, name: str, stream_maps: Sequence[Any], sinks: Sequence[ConversionSink], *, direct: bool) -> None:
        """A stream's first record has come: the workers read the others."""
        if self.count is None or not (self.count or direct):  # nothing is gained by other stream maps here
            return
        keys = {sink.stream_name: [*sink.key_properties] for sink in sinks}
        first = stream_maps[0]
        stream = Stream(keys) if direct else Stream(keys, first.raw_schema, first.raw_key_properties)
        self._known[name] = (stream_maps, sinks, stream)
        if self._pool:
            self._pool.tell({name: stream})

    def schema_came(
        self, stream_maps: Mapping[str, Sequence[Any]], sink: Callable[[str], ConversionSink], *, plain: bool
    ) -> None:
        """Forget the streams that it changes: they are known again with their next record."""
        changed = {
            name
            for name, (before, sinks, _) in self._known.items()
            if stream_maps.get(name) is not before or any(sink(each.stream_name) is not each for each in sinks)
        }
        for name in changed:
            del self._known[name]
        if self._pool and changed:
            self._pool.tell(dict.fromkeys(changed), is_new_generation=True)
        if self._pool and self._is_plain and not plain:
            self._pool.close()
            self._pool.generation += 1
