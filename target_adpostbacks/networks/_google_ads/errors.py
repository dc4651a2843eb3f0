"""Reads the errors of Google's APIs: what they are about, and what they mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from target_adpostbacks.core.answers import Response, Verdict, by_status

STATUSES: Mapping[int, Verdict] = {409: Verdict.TRANSIENT}


class Error(NamedTuple):
    """One thing that is wrong. ``row``: the event that it is about; None: of the request, or nobody knows."""

    verdict: Verdict
    code: str
    message: str
    row: int | None = None
    later: bool = False  # it may be right in some hours

    @property
    def badness(self) -> int:
        """Of several errors of one event the worst counts."""
        return WORST_LAST.index(self.verdict)


WORST_LAST = (Verdict.ACCEPTED, Verdict.TRANSIENT, Verdict.THROTTLED, Verdict.REJECTED, Verdict.CREDENTIALS)


def worst(errors: list[Error]) -> Error:
    """The worst; of equally bad ones the first."""
    return max(errors, key=lambda error: error.badness)


def error_of(body: Any) -> Mapping[str, Any] | None:
    """The member ``error``; streaming gateways wrap it in a list."""
    if isinstance(body, list) and len(body) == 1:
        body = body[0]
    if not isinstance(body, Mapping) or "error" not in body:
        return None
    error = body["error"]
    return error if isinstance(error, Mapping) else {}


def details(holder: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    """The members of a google.rpc.Status' ``details``."""
    return mappings((holder or {}).get("details"))


def mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    return (member for member in value if isinstance(member, Mapping)) if isinstance(value, list) else iter(())


def text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def by_status_alone(response: Response) -> Verdict:
    """What the HTTP status means where the body says nothing that is known; never a success."""
    verdict = by_status(response.status, STATUSES)
    return Verdict.TRANSIENT if verdict is Verdict.ACCEPTED else verdict


def seconds(delay: Any) -> str:
    """``'45s'``, ``'4.5s'`` -> ``'45'``, ``'5'``."""
    number, unit = text(delay)[:-1], text(delay)[-1:]
    whole, _, fraction = number.partition(".")
    if unit != "s" or not whole.isdecimal() or len(whole) > 6:
        return ""
    return str(int(whole) + bool(fraction.strip("0")))
