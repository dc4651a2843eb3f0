"""What a record comes to: its postbacks, and a row for each account that gets none."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.answers import Elsewhere, Skip
from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.postback import Facts, Key, NotSent, Postback, facts, key, older_keys

if TYPE_CHECKING:
    from target_adpostbacks.core.clicks import Stitched

FOR_NOBODY = Key("", "", "", "", "", False)


class Prepared(msgspec.Struct, array_like=True, gc=False):
    """What a record comes to. Holds no raw value; can be pickled, and written as MessagePack."""

    stream: str
    line: int
    postbacks: list[Postback] = []
    not_sent: list[NotSent] = []
    unusable: tuple[str, ...] = ()  # "value: not a number": optional columns that were left out
    invalid: str = ""  # "event_time: missing": the record is no conversion
    mistakes: tuple[str, ...] = ()  # of ours or of a rule's: to be reported
    nested: tuple[str, ...] = ()  # "user.email": columns that were read from objects within the record
    person: tuple[str, ...] = ()  # ``digests.forms_of`` whoever it is about, where that is asked for
    conversions: int = 1  # a source may make several of a record; 0: no source reads its stream

    @property
    def outcomes(self) -> int:
        """How many rows of the ledger the record is owed."""
        return len(self.postbacks) + len(self.not_sent)

    @property
    def is_postback(self) -> bool:
        """Whether it is one postback, about nobody who is to be known, and there is nothing else to say or to write."""
        is_more = self.not_sent or self.unusable or self.nested or self.person or self.mistakes or self.invalid
        return len(self.postbacks) == 1 and self.conversions == 1 and not is_more


def together(first: Prepared, others: Iterable[Prepared]) -> Prepared:
    """The conversions of one record."""
    for other in others:
        first.postbacks += other.postbacks
        first.not_sent += other.not_sent
        first.unusable = tuple(dict.fromkeys((*first.unusable, *other.unusable)))
        first.mistakes = tuple(dict.fromkeys((*first.mistakes, *other.mistakes)))
        first.invalid = first.invalid or other.invalid
        first.person = tuple(dict.fromkeys((*first.person, *other.person)))
        first.nested = tuple(dict.fromkeys((*first.nested, *other.nested)))
        first.conversions += 1
    return first


def mark_stitched(prepared: Prepared, stitched: Stitched, section: str) -> None:
    """The rows of what a section gets say which click it was given."""
    if (found := stitched.candidates.get(section)) is None:
        return

    def marked(facts: Facts) -> Facts:
        return facts._replace(stitched_by=found.by, click_row=found.row)

    for place, postback in enumerate(prepared.postbacks):
        if postback.key.network == section:
            prepared.postbacks[place] = msgspec.structs.replace(postback, facts=marked(postback.facts))
    for place, each in enumerate(prepared.not_sent):
        if each.key.network == section:
            prepared.not_sent[place] = each._replace(facts=marked(each.facts))


def refuse_for_section(
    accounts: Iterable[Account], elsewhere: Mapping[str, Elsewhere], conversion: Conversion, prepared: Prepared
) -> None:
    """Add a row for each account of a section where every enabled account was to leave the conversion to others."""
    reached = {account.section for account in accounts if account.network and account.label not in elsewhere}
    for account in accounts:
        if account.section not in reached and (skip := elsewhere.get(account.label)):
            refuse(prepared, account, conversion, skip)


def refuse(prepared: Prepared, account: Account, conversion: Conversion, skip: Skip) -> None:
    """Add the row of what the account does not get."""
    c = account.network.priced(conversion) if account.network else conversion
    kept = facts(c, prepared.stream, prepared.line)
    not_sent = _not_sent(key(account, c), account.name, c, kept, skip.reason, skip.message)
    prepared.not_sent.append(not_sent._replace(rule=skip.rule))


def for_nobody(c: Conversion, stream: str, line: int, reason: str, message: str) -> NotSent:
    """The row of a conversion that no account gets."""
    nobody = FOR_NOBODY._replace(event_name=c.event_name, event_id=c.event_id, test=c.test)
    return _not_sent(nobody, "", c, facts(c, stream, line), reason, message)


def _not_sent(key: Key, account: str, conversion: Conversion, kept: Facts, reason: str, message: str) -> NotSent:
    return NotSent(key, account, kept, reason, message, other_keys=older_keys(key, conversion))


def no_conversion(event_id: str, stream: str, line: int, reason: str, message: str) -> NotSent:
    """The row of a line or record of which only an id is known."""
    return NotSent(FOR_NOBODY._replace(event_id=event_id), "", Facts(stream, line, None), reason, message)


def note(prepared: Prepared, unusable: Iterable[str], ruled: Mapping[str, str]) -> None:
    """Add what was left out; of ``ruled`` columns, which rule gave them."""
    for each in unusable:
        column, _, why = each.partition(": ")
        origin = ruled.get(column.partition(".")[0])
        message = f"{origin}: {why}" if origin else each
        if message not in prepared.unusable:
            prepared.unusable += (message,)


def invalid(stream: str, line: int, digest: str, field: str, rule: str, event_id: str = "") -> Prepared:
    """What a line or record comes to that is no conversion. ``digest``: identifies it without ``event_id``."""
    message = f"{field}: {rule}"
    not_sent = no_conversion(event_id or f"{stream[:200]}:{digest}", stream, line, "invalid", message)
    return Prepared(stream, line, not_sent=[not_sent], invalid=message)


def digest(value: Any, line: int) -> str:
    """SHA-256 of a value's JSON; of the line's number where it has none."""
    try:
        encoded = msgspec.json.encode(value, order="sorted")
    except (RecursionError, msgspec.MsgspecError, TypeError, ValueError, OverflowError):
        encoded = b"%d" % line
    return hashlib.sha256(encoded).hexdigest()
