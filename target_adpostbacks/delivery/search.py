"""Finds the bad postbacks of a batch that was refused as a whole, or finds that the account is the cause."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from target_adpostbacks.core.answers import Outcome, Verdict
from target_adpostbacks.delivery.attempts import PROBED, PROBES, Attempts
from target_adpostbacks.delivery.queued import Part, Queued


class Search:
    """Sends a batch, then in halves what is refused whole, down to a single postback."""

    def __init__(self, attempts: Attempts, random: Random | None = None) -> None:
        self._attempts = attempts
        self._random = random or Random()  # noqa: S311 - no secret

    def run(self, batch: Sequence[Queued]) -> None:
        """Send until nothing is left to try."""
        settle = self._attempts.settle
        parts = settle(Part(list(batch)))
        if len(parts) == 2 and len(batch) >= PROBED:
            quarters = [settle(half) for half in parts]
            parts = [quarter for both in quarters for quarter in both]
            if all(quarters) and self._is_refused_alike(parts):
                parts = self._probe(parts)
        parts.reverse()
        while parts:
            part = parts.pop()
            parts += reversed(self._probe([part]) if part.is_suspect else settle(part))

    def _is_refused_alike(self, parts: Sequence[Part]) -> bool:
        """Whether everything was refused for one reason, and the account has not proved to be good."""
        return len({part.cause for part in parts}) == 1 and not self._attempts.lane.accepted_at

    def _probe(self, parts: list[Part]) -> list[Part]:
        """Everything was refused alike: what is left to do once a few postbacks were sent alone, whichever they are.

        If they are refused too, it is for the account and not for themselves: it is halted, and all of them stay open.
        """
        probed: list[Part] = []
        cause = parts[0].cause
        while len(probed) < PROBES:
            parts, single = self._pick(parts)
            probe = self._attempts.settle(single)
            probed += probe
            if not probe and (why := self._attempts.why_not()):  # by another batch, or it is the end of the run
                self._attempts.leave_open([*parts, *probed], why)
                return []
            if not probe or probe[0].cause != cause:
                for part in probed:  # refused alone, and the account is not the cause
                    self._attempts.verdicts.store([(part.refusal, list(part.batch))], part.sent)
                return parts
        self._blame_account([*parts, *probed])
        return []

    def _blame_account(self, parts: Sequence[Part]) -> None:
        last = parts[-1]
        count = sum(len(part.batch) for part in parts)
        pattern = f"all {count} conversions were refused in the same way, {PROBES} of them sent alone"
        message = f"{pattern}: {last.refusal.message}" if last.refusal.message else pattern
        why = Outcome(Verdict.CREDENTIALS, last.refusal.code, message)
        self._attempts.leave_open(parts, why)
        if not self._attempts.refused_before:
            self._attempts.halt(why, last.sent)

    def _pick(self, parts: list[Part]) -> tuple[list[Part], Part]:
        """All but one postback, and that one. By chance: the next run is to try others."""
        chosen = self._random.choice(parts)
        batch = list(chosen.batch)
        single = batch.pop(self._random.randrange(len(batch)))
        left = [part._replace(batch=batch if part is chosen else part.batch, is_suspect=False) for part in parts]
        probe = chosen._replace(batch=[single], is_probe=True, is_suspect=False)
        return [part for part in left if part.batch], probe
