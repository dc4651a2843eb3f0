"""Records of a caller in Python → what they come to, for workers."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterable, Sequence
from typing import Any

from target_adpostbacks.core.preparation import Preparation
from target_adpostbacks.workers.work import Each, Preparing

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

    def answer(self, number: int, block: bytes) -> bytes:
        """What the records of a block come to, packed."""
        return self.packed([self._member(data, line) for line, data in enumerate(_Plain(block).load(), number)])

    def _member(self, data: bytes | None, line: int) -> Each | None:
        if data is None:
            return None
        try:
            record = _Plain(data).load()
        except pickle.UnpicklingError:
            return None
        return [self.prepare(record, self.stream, self.key, line)]


class _Plain(pickle.Unpickler):
    """Makes nothing but plain values."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in KNOWN:
            return super().find_class(module, name)
        raise pickle.UnpicklingError("not a plain value")
