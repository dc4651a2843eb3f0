"""What a worker is given to do, and what it gives back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import Any, Protocol

import msgspec

from target_adpostbacks.core.postback import Postback
from target_adpostbacks.core.preparation import Preparation
from target_adpostbacks.core.prepared import Prepared

Each = list[Prepared | None]
"""What a record comes to: several, where stream maps make several of it; None for one that they leave out."""


class Answer(msgspec.Struct, array_like=True, gc=False):
    """What the members of a block come to, each by its place; of what is in neither the parent sees to it itself.

    Most are a postback and nothing else: then that is all there is to make, to write and to read.
    """

    postbacks: list[Postback | None]  # as long as the block
    others: dict[int, Each] = {}
    unmet: list[str] = []  # columns whose path in ``fields`` has met nothing in this worker yet
    unmet_names: list[str] = []  # names in rules that no record has had

    def put(self, at: int, prepared: Prepared) -> None:
        """The member at this place comes to that."""
        if prepared.is_postback:
            self.postbacks[at] = prepared.postbacks[0]
        else:
            self.others[at] = [prepared]

    @property
    def members(self) -> list[Each | None]:
        """What each comes to; None: the parent has to see to it."""
        members: list[Each | None] = [*map(self.others.get, range(len(self.postbacks)))]
        for at, postback in enumerate(self.postbacks):
            if postback is not None:
                members[at] = [Prepared(postback.facts.stream, postback.facts.line, [postback])]
        return members


class Work(Protocol):
    """What a worker does, without a secret. Can be pickled."""

    def tell(self, news: Any) -> None:
        """Something has changed, for all blocks that come after."""

    def answered(self, number: int, block: bytes) -> Answer:
        """What the members of a block come to; ``number``: of the first one, from 1."""


class Preparing:
    """How a worker prepares: ``preparation``, of which another process gets no secret, ``unmet`` as in ``Answer``."""

    def __init__(self, preparation: Preparation, unmet: Iterable[str]) -> None:
        self.preparation = preparation
        self.unmet = [*unmet]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "preparation": self.preparation.without_secrets()}

    def prepare_all(self, records: Sequence[Any], stream: str, key: Any, lines: Sequence[int]) -> list[Prepared]:
        """As ``Run.prepare``, several at a time."""
        for record in records if self.unmet else ():
            self.unmet = self.preparation.columns.unmet(record, self.unmet)
        now = datetime.now(timezone.utc)
        return self.preparation.prepare_all(records, now, stream=stream, key=key, lines=lines)

    def told(self, answer: Answer) -> Answer:
        """The ``Answer``, with what nothing has met by now."""
        answer.unmet, answer.unmet_names = self.unmet, [*self.preparation.unmet, *self.preparation.unmet_paths]
        return answer


def packed(answer: Answer) -> bytes:
    """The ``Answer`` for another process; what can't be written is left to the parent."""
    try:
        return _encode(answer)
    except UNWRITABLE:
        answer.postbacks = [each if _is_writable(each) else None for each in answer.postbacks]
        answer.others = {at: each for at, each in answer.others.items() if _is_writable(each)}
        return _encode(answer)


def unpacked(answer: bytes | memoryview) -> Answer | None:
    """The ``Answer``; None where the worker had none."""
    unpacked: Answer | None = _decode(answer)
    return unpacked


def _is_writable(member: Postback | Each | None) -> bool:
    try:
        _encode(member)
    except UNWRITABLE:
        return False
    return True


UNWRITABLE = (ValueError, OverflowError, RecursionError, TypeError, msgspec.MsgspecError)
"""An integer of more than 64 bits, for example, or half a character."""
NOTHING = msgspec.msgpack.encode(None)
"""The answer of a worker that leaves the whole block to the parent."""
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Answer | None).decode
