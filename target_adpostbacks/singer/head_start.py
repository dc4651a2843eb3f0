"""The beginning of a long file is prepared by worker processes while the run is still importing the SDK."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from threading import Thread
from typing import Any, NamedTuple

from target_adpostbacks import config as configuration
from target_adpostbacks.core.preparation import Preparation
from target_adpostbacks.run.preparing import preparation_of, unmet_of
from target_adpostbacks.singer.cutting import CHUNK, FIRST_BYTES, Cut, hand_out
from target_adpostbacks.singer.lines import Lines, Stream
from target_adpostbacks.singer.messages import BadLine, decoded, is_schema
from target_adpostbacks.workers.pool import Worker, Workers

MOST_BYTES = 4 * 1024 * 1024
"""That are handed out before the run takes what they come to."""
WAIT_SECONDS = 1
"""At most, until it is seen again whether workers have become ready."""


class Beginning(NamedTuple):
    """What the run reads itself: so many lines and bytes of its input, and how records are read from there on."""

    lines: int
    size: int
    streams: Mapping[str, Stream]


class HeadStart:
    """Workers that have begun with standard input, by what the config and the input's first lines say.

    The run takes them over if it has come to the same itself. If it has not, nothing is lost: the input's position
    has not moved.
    """

    def __init__(
        self, preparation: Preparation, unmet: Sequence[str], beginning: Beginning, started: Sequence[Worker]
    ) -> None:
        self._beginning, self._count = beginning, len(started)
        self._begin = self._end = os.lseek(0, 0, os.SEEK_CUR) + beginning.size
        self._cut = Cut()
        self._pickled = _pickled(preparation)
        self._is_same = False
        self._is_whole = True  # whether the blocks have every line up to the end, once each
        self._warnings: list[str] = []
        work = Lines(preparation, unmet, plain=False, sdk_settings={})
        work.tell(beginning.streams)
        self.workers = Workers(work, self._count, lambda warning: self._warn(warning), started=started)
        self._warn: Callable[[str], None] = self._warnings.append
        self._wake_reader, self._wake_writer = os.pipe()
        self._is_over = False
        self._thread = Thread(target=self._feed, daemon=True)
        self._thread.start()

    def compare(self, preparation: Preparation) -> None:
        """Whether the run, which has prepared nothing yet, prepares as the workers were told."""
        self._is_same = _pickled(preparation) == self._pickled

    def is_of(self, work: Lines, count: int, line: int) -> bool:
        """End the head start, and say whether it did what the run would have done: after this line, with this work."""
        self._is_over = True
        os.write(self._wake_writer, b"x")
        self._thread.join()
        os.close(self._wake_reader)
        os.close(self._wake_writer)
        told = work.plain, work.sdk_settings, work.streams, count, line
        return (
            self._is_same
            and self._is_whole
            and told == (False, {}, self._beginning.streams, self._count, self._beginning.lines)
        )

    def taken_over(self, work: Lines, warn: Callable[[str], None]) -> Workers:
        """The workers, who are the run's from now on, with the blocks that they have been handed."""
        for warning in self._warnings:
            warn(warning)
        self._warn = warn
        self.workers.work = work
        return self.workers

    def resume(self) -> Cut:
        """Move the input on to where the blocks end; what has been read of the line that has not ended there."""
        os.lseek(0, self._end, os.SEEK_SET)
        return self._cut

    def _feed(self) -> None:
        number = self._beginning.lines + 1
        with suppress(Exception):  # the run reads itself what is not whole
            while not self._is_over and self._end - self._begin < MOST_BYTES:
                if not self.workers.wants_more:
                    self.workers.wait(self._wake_reader, seconds=WAIT_SECONDS)
                    continue
                chunk = os.pread(0, CHUNK, self._end)
                if not chunk:
                    return
                self._is_whole = False
                number = hand_out(self.workers, [*self._cut.add(chunk)], number)
                self._end += len(chunk)
                self._is_whole = True


def head_start(settings: Mapping[str, Any], started: Sequence[Worker]) -> HeadStart | None:
    """None, and nothing done, where the run has to see for itself how its input begins or how it is read."""
    with suppress(Exception):  # the run says what is wrong
        if any(settings.get(name) for name in configuration.SdkSettings.__struct_fields__):
            return None
        if beginning := _beginning(os.pread(0, FIRST_BYTES, os.lseek(0, 0, os.SEEK_CUR))):
            general, accounts = configuration.read(settings)
            preparation = preparation_of(general, accounts)
            return HeadStart(preparation, unmet_of(general, preparation), beginning, started)
    return None


def _beginning(first: bytes) -> Beginning | None:
    """A SCHEMA message and records of its stream; None where it is something else."""
    text = first[: first.rfind(b"\n") + 1]
    lines = text.split(b"\n")[:-1]
    try:
        messages = [decoded(line) for line in lines]
    except BadLine:
        return None
    if len(messages) < 2 or not is_schema(messages[0]):
        return None
    name, key = messages[0]["stream"], messages[0].get("key_properties") or []
    if any(message.get("type") != "RECORD" or message.get("stream") != name for message in messages[1:]):
        return None
    return Beginning(len(lines), len(text), {name: Stream({name: key})})


def _pickled(preparation: Preparation) -> bytes:
    return pickle.dumps(preparation.without_secrets())
