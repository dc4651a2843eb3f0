"""How much of Meta's rate limits is used, as the headers of an answer say."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from itertools import chain

import msgspec

HEADERS = ("X-App-Usage", "X-Business-Use-Case-Usage", "X-Ad-Account-Usage")
NEARLY_USED_UP = 90  # percent of a rate limit


class Usage(msgspec.Struct, frozen=True):
    """Percent of a limit of calls, of time, of an ad account's, and the minutes after which access comes back."""

    call_count: float = 0
    total_time: float = 0
    total_cputime: float = 0
    acc_id_util_pct: float = 0
    estimated_time_to_regain_access: float = 0

    @property
    def percent(self) -> float:
        return max(self.call_count, self.total_time, self.total_cputime, self.acc_id_util_pct)


_USAGE = msgspec.json.Decoder(Usage).decode
_BUSINESS = msgspec.json.Decoder(dict[str, list[Usage]]).decode


def usages(headers: Mapping[str, str]) -> list[Usage]:
    """What the headers say of rate limits; one that can't be read says nothing."""
    usages: list[Usage] = []
    with suppress(msgspec.MsgspecError, ValueError, RecursionError):
        business = headers.get("x-business-use-case-usage") or "{}"
        usages += chain.from_iterable(_BUSINESS(business).values())
    for name in ("x-app-usage", "x-ad-account-usage"):
        with suppress(msgspec.MsgspecError, ValueError, RecursionError):
            usages.append(_USAGE(headers.get(name) or "{}"))
    return usages
