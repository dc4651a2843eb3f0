"""Records of a caller in Python → what they come to, for workers."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterable, Sequence
from typing import Any

from target_adpostbacks.core.network import IN_STEP
from target_adpostbacks.core.preparation import Preparation
from target_adpostbacks.workers.work import Answer, Preparing

KNOWN = {
    *(("datetime", name) for name in ("datetime", "date", "time", "timedelta", "timezone")),
    *(("decimal", "Decimal"), ("uuid", "UUID"), ("collections", "OrderedDict")),
}
"""What records may hold beside what JSON has; for anything else a worker would import the caller's own modules."""


class Records(Preparing):
    """The work of a worker that gets records, pickled one by one. ``stream`` and ``key``: as in ``Run.add``."""

    def __init__(self, preparation: Preparation, unmet: Iterable[str], stream: str, key: Sequence[str]) -> None:
        super().__init__(preparation, unmet)
        self.stream, self.key = stream, [*key]

    def tell(self, news: Any) -> None:
        """There is no news."""

    def answered(self, number: int, block: bytes) -> Answer:
        """What the records of a block come to."""
        data: list[bytes | None] = _Plain(block).load()
        answer = Answer([None] * len(data))
        for begin in range(0, len(data), IN_STEP):
            read = {at: _record(data[at]) for at in range(begin, min(begin + IN_STEP, len(data)))}
            records = {number + at: record for at, record in read.items() if record is not None}
            for prepared in self.prepare_all([*records.values()], self.stream, self.key, [*records]):
                answer.put(prepared.line - number, prepared)
        return self.told(answer)


def _record(data: bytes | None) -> Any:
    """The record; None for one that is left to the parent."""
    if data is None:
        return None
    try:
        return _Plain(data).load()
    except pickle.UnpicklingError:
        return None


class _Plain(pickle.Unpickler):
    """Makes nothing but plain values."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in KNOWN:
            return super().find_class(module, name)
        raise pickle.UnpicklingError("not a plain value")
