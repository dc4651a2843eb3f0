"""What a run itself finds: why it would not send a conversion, and what it would leave out of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from target_adpostbacks.core.postback import Postback
from target_adpostbacks.core.prepared import Prepared
from target_adpostbacks.core.reasons import REASONS
from target_adpostbacks.doctor.case import Case
from target_adpostbacks.doctor.findings import FINDINGS, Spot, add, finding

MEANT = frozenset("organic no_consent deleted disabled by_rule suppressed".split())
"""Reasons that are no mistake of the data."""
LEFT_OUT = MEANT | {"other_network", "event_off", "outside_window", "no_adjustments", "test_without_code"}
"""Reasons for which a conversion is not sent, whatever its values are."""
OF_LEFT_OUT = ("other_network", "not_sent")
"""What is looked for in a conversion that nobody gets."""


def is_left_out(prepared: Prepared) -> bool:
    """Whether nobody gets the conversion, whatever its values are."""
    return not prepared.postbacks and all(each.reason in LEFT_OUT for each in prepared.not_sent)


def _spots(case: Case, reason: str, column: str | None) -> Iterator[Spot]:
    return (Spot(column, each.key.network or None, each.message) for each in case.not_sent(reason))


add(
    "unreadable_line",
    "error",
    what="The line is no JSON object, or no Singer message.",
    cost="It is not sent.",
    change="Write one JSON object on each line.",
)


add(
    "unmet_field",
    "warning",
    what="The path that `fields` names for the column leads to nothing, in no record.",
    cost="The column is missing everywhere.",
    change="Check how the path is spelled.",
)
add(
    "unmet_rule",
    "warning",
    what="A rule names a column that no record has.",
    cost="The rule decides without it.",
    change="Check how the column is spelled in the rule.",
)


@finding(
    "error",
    what="The record can't be read as a conversion.",
    cost="It is not sent.",
    change="Correct the column, or map another one with `fields`.",
)
def invalid_record(case: Case) -> Iterable[Spot]:
    if case.prepared.invalid:
        field, _, rule = case.prepared.invalid.partition(": ")
        return [Spot(field, None, rule)]
    return _spots(case, "invalid", None)


@finding(
    "error",
    what="There is nothing that the network could find the person by.",
    cost="It is not sent: it could match nobody.",
    change="Map one of the columns that are named; the coverage says which one would add most.",
)
def missing_match_key(case: Case) -> Iterable[Spot]:
    return _spots(case, "no_match_key", None)


@finding(
    "error",
    what="The conversion is older than the network takes.",
    cost="It is not sent.",
    change="Run more often. What is past the limit can no longer be sent.",
)
def too_old(case: Case) -> Iterable[Spot]:
    return _spots(case, "too_old", "event_time")


@finding(
    "error",
    what="The conversion lies in the future.",
    cost="It is not sent.",
    change="Set `default_timezone` to the zone of your timestamps, or map the time when it happened, not a due date.",
)
def in_future(case: Case) -> Iterable[Spot]:
    return (spot._replace(words="") for spot in _spots(case, "in_future", "event_time"))


@finding(
    "error",
    what="The network can't take the conversion as it is.",
    cost="It is not sent.",
    change="Add the column or the setting that is named, or map the event with `event_map`.",
)
def unsupported(case: Case) -> Iterable[Spot]:
    return _spots(case, "unsupported", None)


@finding(
    "error",
    what="The conversion is larger than a request to the network may be.",
    cost="It is not sent.",
    change="Send less with it: fewer `contents`, or fewer `properties`.",
)
def too_large(case: Case) -> Iterable[Spot]:
    return _spots(case, "too_large", None)


@finding(
    "warning",
    what="A value can't be used.",
    cost="It is left out, and the rest is sent.",
    change="Correct the column, or map another one with `fields`.",
)
def unusable_value(case: Case) -> Iterable[Spot]:
    return (Spot(column, None, rule) for column, _, rule in (each.partition(": ") for each in case.prepared.unusable))


@finding(
    "warning",
    what="Something is missing that the network wants, though it takes the conversion without.",
    cost="Fewer conversions are matched, and the network rates the account's data lower.",
    change="Map what is named.",
)
def incomplete(case: Case) -> Iterable[Spot]:
    return [
        Spot(None, postback.key.network, postback.note)
        for postback in case.prepared.postbacks
        if postback.note and not _is_without_click(case, postback)
    ]


def _is_without_click(case: Case, postback: Postback) -> bool:
    """Whether the network would have liked a click id, and there was none: not every conversion has a click."""
    c = case.conversion
    if c is None or "click_id" not in postback.note:
        return False
    return all(network.click_id(c) is None for network in case.networks() if network.name == postback.key.network)


@finding(
    "note",
    what="The event has a name that no table knows: a custom event.",
    cost="Ads can't be optimized for it like for a standard event. It may be a misspelling.",
    change="Give it one of the network's names with `event_map`, or one of the canonical names in the record.",
)
def custom_event(case: Case) -> Iterable[Spot]:
    c, postbacks = case.conversion, case.prepared.postbacks
    if c is None or not postbacks:
        return []
    sent = {postback.account: postback.facts.network_event for postback in postbacks}
    return [
        Spot("event_name", account.section)
        for account in case.accounts
        if account.network
        and account.network.standard_events  # else it knows no names, and the config has named the event
        and sent.get(account.label) in (c.event_spelling, c.event_name)
        and c.event_name not in account.network.canonical_events(c)
        and sent[account.label] not in account.network.native_events(c)
    ]


@finding(
    "note",
    what="It names no network, and has no click id of one.",
    cost="It is not sent.",
    change="Map `network` or a click id. `send: all` in a network's section sends it every conversion.",
)
def not_attributed(case: Case) -> Iterable[Spot]:
    return [Spot("network") for _ in case.not_sent("not_attributed")]


@finding(
    "note",
    what="It belongs to a network or an account that is not configured.",
    cost="It is not sent.",
    change="Add a section or an account, or correct how the network is spelled.",
)
def other_network(case: Case) -> Iterable[Spot]:
    return _spots(case, "other_network", "network")


@finding(
    "note",
    what="The settings or the network's table leave the conversion out.",
    cost="It is not sent.",
    change="See the reason.",
)
def not_sent(case: Case) -> Iterable[Spot]:
    for each in case.prepared.not_sent:
        if each.reason not in FINDINGS and each.reason not in OTHERWISE_TOLD and each.reason not in MEANT:
            reason = REASONS.get(each.reason)
            words = each.message or (reason.sentence if reason else "")
            yield Spot(None, each.key.network or None, f"{each.reason}: {words}")


OTHERWISE_TOLD = frozenset({"invalid", "no_match_key"})
"""Reasons whose finding has another name."""
