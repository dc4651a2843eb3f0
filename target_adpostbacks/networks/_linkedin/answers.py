"""What LinkedIn's answers mean. It takes a request as a whole, or nothing of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from target_adpostbacks.core.answers import Outcome, Response, Verdict, by_status

REVOKED = "REVOKED_ACCESS_TOKEN"
CODES: Mapping[str, Verdict] = dict.fromkeys(
    ("VERSION_MISSING", "NONEXISTENT_VERSION", REVOKED, "INVALID_ACCESS_TOKEN", "invalid_grant"), Verdict.CREDENTIALS
)
STATUSES: Mapping[int, Verdict] = {
    423: Verdict.TRANSIENT,
    426: Verdict.CREDENTIALS,
    501: Verdict.REJECTED,
}
ADVICE: Mapping[str, str] = {
    "VERSION_MISSING": "Set linkedin_version to a version that LinkedIn serves, such as last month's.",
    "NONEXISTENT_VERSION": "Set linkedin_version to a version that LinkedIn serves, such as last month's.",
    REVOKED: "Make a new access_token: its owner has revoked this one.",
    "INVALID_ACCESS_TOKEN": "Make a new access_token, or set what refreshes it.",
    "invalid_grant": "Consent again for a new refresh_token: this one has expired or was revoked.",
    "400": "Correct what the message names.",
    "401": "Make a new access_token, or set what refreshes it.",
    "403": "Compare conversion_rules with Campaign Manager: an unknown rule is answered so too. Else give the token's"
    " owner a role in the ad account, and the token both scopes.",
    "422": "Correct the field that the message names, or leave its column out.",
    "426": "Set linkedin_version to a version that LinkedIn serves, such as last month's.",
    "429": "Lower requests_per_second; the next run sends what is open.",
}
ADVICE_BY_WORDS: Mapping[str, str] = {
    "method should be conversions_api": "Set the rule's method to Conversions API in Campaign Manager, or map another.",
}
BY_NAME = frozenset({400, 422})
"""Statuses of answers that may name the bad elements."""
SPOILED = Outcome(Verdict.TRANSIENT, message="refused with another element of its request", shared=True)

_INDEX = re.compile(r"Index: ([0-9]{1,9})(?![0-9])")
_INDICES = re.compile(r"indices \[([0-9, ]{1,100000})\]")


def outcomes(response: Response, count: int) -> list[Outcome]:
    """One for each of ``count`` elements."""
    body = response.body
    if not 200 <= response.status < 300:
        return _refused(response, count)
    if not isinstance(body, Mapping):
        # Empty or cut off: the elements may be counted, unless a page came from somebody in between.
        is_page = isinstance(body, str) and body.lstrip().startswith("<")
        verdict = Verdict.TRANSIENT if is_page else Verdict.NO_ANSWER
        return [Outcome(verdict, "", "no JSON object in the answer", shared=True)] * count
    code, message = error(body)
    elements = body.get("elements")
    if code or not isinstance(elements, list) or len(elements) != count:
        told = f"{len(elements)} results" if isinstance(elements, list) else "no results"
        words = message or f"{told} for {count} elements"
        return [Outcome(Verdict.REJECTED, code, words, reason="unconfirmed")] * count
    return [*map(_of_element, elements)]


def error(body: Any) -> tuple[str, str]:
    """The code and the message of an answer; empty texts for what it does not have."""
    if not isinstance(body, Mapping):
        return "", ""
    # What stands between the parts of a message reads like an IPv6 address, and would be hidden as one.
    code, message = body.get("code"), body.get("message")
    return "" if code is None else str(code)[:100], message.replace(" :: ", ": ") if isinstance(message, str) else ""


def _of_element(element: Any) -> Outcome:
    """Of an element in a 200: nothing but 201 is documented."""
    status = element.get("status") if isinstance(element, Mapping) else None
    if type(status) is not int:
        return Outcome(Verdict.REJECTED, "", "no status in its result", reason="unconfirmed")
    if 200 <= status < 300:
        return Outcome(Verdict.ACCEPTED)
    return Outcome(Verdict.REJECTED, str(status), error(element)[1])


def _refused(response: Response, count: int) -> list[Outcome]:
    code, message = error(response.body)
    verdict = CODES.get(code) or by_status(response.status, STATUSES)
    named = _named(message, count) if verdict is Verdict.REJECTED and response.status in BY_NAME else {}
    if not named:
        return [Outcome(verdict, code, message, shared=True)] * count
    # Nothing was taken: the others are sent again.
    return [Outcome(verdict, code, named[at]) if at in named else SPOILED for at in range(count)]


def _named(message: str, count: int) -> dict[int, str]:
    """The index of each bad element that a message names → what is wrong with it; nothing where one can't be.

    ``'Index: 0, ERROR: /user: …\\nERROR: …\\nIndex: 2, ERROR: …'``: a line without an index belongs to the one
    before. ``'…, indices [0, 2] (0-indexed)'``: the whole message is about each of them.
    """
    _, *parts = _INDEX.split(message)
    named: dict[int, str] = {}
    for index, text in zip(map(int, parts[::2]), parts[1::2], strict=True):
        lines = (line.strip(" ,") for line in text.splitlines())
        named[index] = "; ".join(filter(None, (named.get(index), *lines)))
    if listed := _INDICES.search(message):
        named |= {int(index): message for index in re.findall(r"[0-9]{1,9}", listed[1])}
    return named if all(index < count for index in named) else {}
