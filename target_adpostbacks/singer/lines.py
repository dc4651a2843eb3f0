"""Lines of the input → what their records come to, without the SDK unless there are stream maps. For workers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from target_adpostbacks.core.network import IN_STEP
from target_adpostbacks.core.preparation import Preparation
from target_adpostbacks.core.prepared import Prepared, digest, invalid
from target_adpostbacks.core.record import is_deleted
from target_adpostbacks.singer.messages import PLAIN_STREAM, BadLine, decoded, is_schema, usual_record
from target_adpostbacks.workers.work import Answer, Each, Preparing

if TYPE_CHECKING:
    from singer_sdk.mapper import StreamMap

MAPPED = "stream_maps"
T = TypeVar("T")


class Stream(NamedTuple):
    """How records of a stream are read: ``keys`` is each stream that they become, and its key properties.

    ``schema`` and ``raw_key``: as the SCHEMA message said, where stream maps apply; else None.
    """

    keys: Mapping[str, Sequence[str]]
    schema: Mapping[str, Any] | None = None
    raw_key: Sequence[str] | None = None


class Lines(Preparing):
    """The work of a worker that reads lines. ``told`` are the streams: None for one that is not known any more.

    ``sdk_settings``: the settings of stream maps; ``plain``: the lines are plain objects.
    """

    def __init__(
        self,
        preparation: Preparation,
        unmet: Iterable[str],
        *,
        plain: bool,
        sdk_settings: Mapping[str, Any],
    ) -> None:
        super().__init__(preparation, unmet)
        self.plain = plain
        self.sdk_settings = sdk_settings
        self.streams: dict[str, Stream] = {}
        self._maps: dict[str, Sequence[StreamMap]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_maps": {}}  # no process can give them to another

    def tell(self, news: Mapping[str, Stream | None]) -> None:
        """Streams, each as it is read from now on; None: not here."""
        for name, stream in news.items():
            self._maps.pop(name, None)
            if stream is None:
                self.streams.pop(name, None)
            else:
                self.streams[name] = stream

    def answered(self, number: int, block: bytes) -> Answer:
        """What the lines of a block come to; whatever is no record of a known stream is left to the parent."""
        lines = block.split(b"\n")
        answer = Answer([None] * len(lines))
        waiting: dict[str, dict[int, Any]] = {}  # records by their line, which are prepared together
        for at, line in enumerate(lines if self.streams else ()):
            if (told := self._told(line)) is None:
                continue
            name, record, stream = told
            if stream.schema is not None:
                answer.others[at] = self._mapped(name, record, stream, number + at)
                continue
            together = waiting.setdefault(name, {})
            together[number + at] = record
            if len(together) == IN_STEP:
                self._prepare(waiting.pop(name), stream, answer, number)
        for name, together in waiting.items():
            self._prepare(together, self.streams[name], answer, number)
        return self.told(answer)

    def _prepare(self, records: Mapping[int, Any], stream: Stream, answer: Answer, first: int) -> None:
        ((alias, key),) = stream.keys.items()
        for prepared in self.prepare_all([*records.values()], alias, key, [*records]):
            answer.put(prepared.line - first, prepared)

    def _told(self, line: bytes) -> tuple[str, Any, Stream] | None:
        """The stream and the record of a line; None for any other line, and of a stream that isn't known."""
        if not self.plain and (usual := usual_record(line)):
            stream = self.streams.get(usual.stream)
            return None if stream is None else (usual.stream, usual.record, stream)
        try:
            message = decoded(line)
        except BadLine:
            return None
        name: Any = PLAIN_STREAM
        record = message
        if self.plain:
            if is_schema(message):
                return None
        else:
            name, record = message.get("stream"), message.get("record")  # type: ignore[assignment]
            if message.get("type") != "RECORD" or name.__class__ is not str or record.__class__ is not dict:
                return None
        stream = self.streams.get(name)
        return None if stream is None else (name, record, stream)

    def _mapped(self, name: str, record: Mapping[str, Any], stream: Stream, number: int) -> Each:
        assert stream.schema is not None  # noqa: S101 - it has maps
        maps = self._maps.get(name) or self._made(name, stream.schema, stream.raw_key)

        def prepare(mapped: Mapping[str, Any], alias: str) -> Prepared:
            (prepared,) = self.prepare_all([mapped], alias, stream.keys[alias], [number])
            return prepared

        return through(maps, record, prepare, stream=name, line=number)

    def _made(self, name: str, schema: Mapping[str, Any], key: Sequence[str] | None) -> Sequence[StreamMap]:
        import logging

        from singer_sdk.mapper import PluginMapper

        mapper = PluginMapper(copy.deepcopy({**self.sdk_settings}), logging.getLogger(__name__))
        mapper.register_raw_stream_schema(name, {**schema}, key)
        maps = self._maps[name] = mapper.stream_maps[name]
        return maps


def through(
    maps: Iterable[StreamMap],
    record: Mapping[str, Any],
    prepare: Callable[[Mapping[str, Any], str], T],
    *,
    stream: str,
    line: int,
) -> list[T | Prepared | None]:
    """What a record comes to by its stream's maps; None where one leaves it out. ``prepare``: of a stream's record."""
    prepared: list[T | Prepared | None] = []
    for stream_map in maps:
        try:
            mapped = stream_map.transform(dict(record))
        except Exception as error:  # noqa: BLE001 - an expression of the user's, on any value
            rule = f"an expression failed ({type(error).__name__})"
            prepared.append(invalid(stream, line, digest(record, line), MAPPED, rule))
            continue
        if mapped is not None and is_deleted(record):  # a map may drop the column, and the row must not be sent
            mapped["_sdc_deleted_at"] = True
        prepared.append(None if mapped is None else prepare(mapped, stream_map.stream_alias))
    return prepared
