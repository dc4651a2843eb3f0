"""The rows of the ledger for what became of postbacks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from target_adpostbacks.core.answers import Outcome, Verdict
from target_adpostbacks.core.postback import NotSent, Postback, milliseconds
from target_adpostbacks.delivery.people import not_sent as suppressed
from target_adpostbacks.delivery.queued import Group, Queued, Skipped
from target_adpostbacks.ledger import NO_REQUEST, Delivered, Earlier, Sent, Status


def row_of(not_sent: NotSent) -> Delivered:
    """The row of a postback that no request is made for."""
    status = Status(not_sent.status, not_sent.reason, "", not_sent.message)
    return Delivered(not_sent.key, not_sent.account, status, NO_REQUEST, not_sent.facts)


def erased_row(postback: Postback, sent: Sent | None) -> Delivered:
    """The row of a postback about an erased person; with the request that the network did not take it in."""
    row = row_of(suppressed(postback))
    return row._replace(sent=sent, facts=postback.facts) if sent else row


def as_known(skipped: Skipped, known: Mapping[tuple[Any, ...], Earlier]) -> Delivered:
    """The row under the identity by which the ledger knows it from before, if it does."""
    key = next((key for key in skipped.other_keys if key in known), skipped.row.key)
    return skipped.row._replace(key=key)


def one_by_one(rows: Iterable[Delivered]) -> Iterator[list[Delivered]]:
    """Rows that may be written together, so that the ledger has what it would have of each by itself.

    Of one identity the first skip stands, until one comes with another reason.
    """
    together: dict[tuple[Any, ...], Delivered] = {}
    for row in rows:
        before = together.get(row.key)
        if before is not None and before.status[:2] != row.status[:2]:
            yield [*together.values()]
            before, together = None, {}
        if before is None or row.status.status != "skipped":
            together[row.key] = row
    yield [*together.values()]


def with_doubt(group: Group) -> Iterator[Group]:
    """The network may have what went unanswered, whatever a later answer says that is no verdict."""
    outcome, batch = group
    is_clear = outcome.verdict.final or outcome.verdict is Verdict.NO_ANSWER
    doubted = [] if is_clear else [queued for queued in batch if queued.unanswered_since]
    if not doubted:
        yield group
        return
    yield Outcome(Verdict.NO_ANSWER, message=f"no answer to an earlier request; now {outcome.summary}"), doubted
    if others := [queued for queued in batch if not queued.unanswered_since]:
        yield outcome, others


def rows_of(batch: Sequence[Queued], outcome: Outcome, sent: Sent | None) -> Iterator[Delivered]:
    """The rows of postbacks that share an outcome."""
    verdict = outcome.verdict
    is_final, is_accepted, is_unanswered = verdict.final, verdict is Verdict.ACCEPTED, verdict is Verdict.NO_ANSWER
    status, reason = (verdict.value, outcome.reason) if is_final else ("open", verdict.value)
    shared = Status(status, reason, outcome.code, outcome.message)
    request = sent or NO_REQUEST
    account = batch[0].postback.account_name
    for queued in batch:
        postback = queued.postback
        row_status, row_request = shared, request
        if is_accepted and postback.note:
            message = f"{shared.message}; {postback.note}" if shared.message else postback.note
            row_status = shared._replace(message=message)
        if is_unanswered and queued.in_doubt_since:
            row_request = request._replace(sent_at=queued.in_doubt_since)
        until = None if is_final else milliseconds(postback.deadline)
        yield _new(Delivered, (postback.key, account, row_status, row_request, postback.facts, until))


_new = tuple.__new__  # a NamedTuple's own call takes twice as long
