"""How the records of a stream are read, and who decides about what they become."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

import msgspec

from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.answers import Skip
from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.layout import Columns
from target_adpostbacks.core.postback import Postback
from target_adpostbacks.core.rows import Row

Rule = Callable[[Mapping[str, Any], Conversion, Account], Conversion | Skip]
"""A user's rule for one account: the conversion, changed or not; or a Skip, Elsewhere if others are to get it."""

Make = Callable[[Account, Sequence[Conversion], datetime, str, Sequence[int]], list[Postback | Exception]]
"""Makes postbacks as ``postback.prepare_all``, once the rules are applied."""

Rows = Callable[[Mapping[str, Any]], Sequence[Row]]
"""A record as a source reads it: a row for each conversion that comes of it, or one that is left out.

Raises InvalidConversion. Can be pickled.
"""


class Way(NamedTuple):
    """How records are read."""

    columns: Columns
    rules: Sequence[Rule]
    rows: Rows | None = None  # None: a record is read as it is
    not_before: datetime | None = None  # older conversions are not sent

    def admitted(self, record: Mapping[str, Any], conversion: Conversion) -> Conversion:
        """The conversion of a row. Raises Skip."""
        if self.not_before is not None and conversion.event_time < self.not_before:
            raise Skip("too_old", "it happened before `not_before`")
        if isinstance(record, Row) and record.awaits_original and conversion.adjustment:
            return msgspec.structs.replace(conversion, awaits_original=True)
        return conversion


class Sources(Protocol):
    """Which way the records of a stream are read. Can be pickled."""

    def way(self, stream: str) -> Way | None:
        """Of a stream, by its name behind stream maps; None: no source reads it."""

    def ways(self) -> Iterable[Way]:
        """All there are."""

    def unmet(self) -> dict[str, str]:
        """What rows ought to meet, and what to say of each if none does."""

    def met(self, record: Mapping[str, Any], stream: str, unmet: Sequence[str]) -> Iterable[str]:
        """What of that a record meets."""
