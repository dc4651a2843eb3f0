"""Whether too many records of a run were invalid, or too many of its conversions rejected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from target_adpostbacks.config import General
from target_adpostbacks.delivery.balance import Share

TOO_MANY = {
    "invalid": ("records were invalid", "skipped"),
    "rejected": ("conversions were rejected", "failed"),
}
"""What is said if there are too many of a kind, and where ``adpostbacks log`` has the reasons."""


class Limits:
    """``counts``: what becomes of conversions, see ``Delivery.counts``."""

    def __init__(self, general: General, counts: Counter[str]) -> None:
        self.prepared = self.invalid = 0  # records, of which a message may give several or none
        self.is_settled = False
        self._general, self._counts = general, counts

    def may_pass(self, kind: str) -> bool:
        """Whether state may be written past what is ``invalid``, or ``rejected``. Any thread may ask.

        Not while that is true of too many, nor, before the run's end, while there are too few to tell.
        """
        share = self._shares()[kind]
        if share.limit_percent is None or not share.is_enough:
            return share.limit_percent is None or self.is_settled
        return not share.is_too_large

    def told(self, *, is_enough: bool) -> Iterator[str]:
        """What there is too much of. ``is_enough``: where the numbers are large enough to conclude that, or are not."""
        for kind, share in self._shares().items():
            if share.is_too_large and share.is_enough is is_enough:
                what, status = TOO_MANY[kind]
                yield f"{share.told(what)}: `adpostbacks log --status {status}` says why."

    def _shares(self) -> dict[str, Share]:
        general, counts = self._general, self._counts
        rejected = counts["rejected"]
        return {
            "invalid": Share(self.invalid, self.prepared, general.fail_above_invalid_percent),
            "rejected": Share(rejected, rejected + counts["accepted"], general.fail_above_rejected_percent),
        }
