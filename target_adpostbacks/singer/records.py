"""The records of an input, as a run would read them: plain lines, Singer messages, stream maps, BATCH files."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any, NamedTuple

from singer_sdk.exceptions import MapExpressionError, StreamMapConfigError
from singer_sdk.mapper import CustomStreamMap, PluginMapper

from target_adpostbacks.core.record import is_deleted
from target_adpostbacks.singer import maps
from target_adpostbacks.singer.batch_files import batch_lines
from target_adpostbacks.singer.messages import BadLine, UnreadableInput
from target_adpostbacks.singer.reader import LineReader


class Place(NamedTuple):
    """Where a record stands: its stream, the stream's key properties, its line in the input or in a BATCH file."""

    stream: str
    key: Sequence[str]
    line: int


class Records:
    """Reads an input to its end: ``take`` gets each record, ``refuse`` each line that is none, with its event id.

    Raises UnreadableInput for an input or a stream map that can't be used.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        take: Callable[[Mapping[str, Any], Place], None],
        refuse: Callable[[BadLine, int], None],
        tick: Callable[[], object] = lambda: None,
    ) -> None:
        self._config, self._take, self._refuse = config, take, refuse
        self._checked: set[str] = set()  # streams whose maps have met a record
        clicks = config.get("clicks") or {}
        self._others = {*(config.get("performance") or ()), clicks.get("stream")}  # streams that hold no conversions
        self._reader = LineReader()
        self._reader.bad_line = lambda _, bad: refuse(bad, self._reader.line)
        self._reader.tick = self._tick
        self._ticked = tick
        if misshaped := maps.misshaped(config.get("stream_maps") or {}):
            raise UnreadableInput(". ".join(misshaped))
        try:
            self._mapper = PluginMapper({**config}, _SILENT)
        except Exception as error:  # noqa: BLE001 - whatever the SDK makes of a wrong shape; its text may hold values
            raise UnreadableInput(f"stream_maps: can't be used ({type(error).__name__})") from None

    def read(self, file: IO[bytes]) -> None:
        """Hand over everything that the file holds."""
        callbacks = {"SCHEMA": self._schema, "RECORD": self._record, "STATE": lambda _: None, "BATCH": self._batch}
        try:
            self._reader.process_lines(file, callbacks)
        finally:
            self._reader.close()

    def _tick(self) -> None:
        self._ticked()

    def _schema(self, message: dict[str, Any]) -> None:
        try:
            self._mapper.register_raw_stream_schema(
                message["stream"], {"properties": {}, **message["schema"]}, message.get("key_properties")
            )
        except (StreamMapConfigError, MapExpressionError) as error:
            raise UnreadableInput(
                f"stream_maps: what is for stream '{message['stream']}' can't be used ({type(error).__name__})"
            ) from None

    def _record(self, message: dict[str, Any]) -> None:
        self._map(message["stream"], message["record"], self._reader.line)

    def _map(self, stream: str, record: dict[str, Any], line: int) -> None:
        if stream not in self._mapper.stream_maps:
            raise UnreadableInput(
                f"A record of stream '{stream}' came before its schema: the tap must send a SCHEMA message first."
            )
        if stream not in self._checked:
            self._check(stream, record)
        for stream_map in self._mapper.stream_maps[stream]:
            if stream_map.stream_alias in self._others:
                continue
            try:
                mapped = stream_map.transform({**record})
            except Exception as error:  # noqa: BLE001 - an expression of the user's, on any value
                self._refuse(BadLine("stream_maps", f"an expression failed ({type(error).__name__})"), line)
                continue
            if mapped is None:
                continue
            if is_deleted(record):  # a map may drop the column
                mapped["_sdc_deleted_at"] = True
            key = stream_map.transformed_key_properties or ()
            self._take(mapped, Place(stream_map.stream_alias, key, line))

    def _check(self, stream: str, record: Mapping[str, Any]) -> None:
        """Raise UnreadableInput for a stream map that no record of the stream can be mapped by."""
        self._checked.add(stream)
        columns = {*self._reader.columns.get(stream, ()), *record}
        custom = [made for made in self._mapper.stream_maps[stream] if isinstance(made, CustomStreamMap)]
        if custom and (said := maps.mistakes(self._config["stream_maps"], stream, custom[0], columns)):
            raise UnreadableInput(". ".join(said))

    def _batch(self, message: dict[str, Any]) -> None:
        for _, number, line in batch_lines(message):
            if not number & 127:
                self._reader.tick_if_due()
            if not line or line.isspace():
                continue
            try:
                record = self._reader.deserialize_json(line)
            except BadLine as bad:
                self._refuse(bad, number)
            else:
                self._map(message["stream"], record, number)


_SILENT = logging.getLogger(f"{__name__}.maps")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False
