"""The statuses and reasons of the ledger: what each one means, and what to do about it."""

from __future__ import annotations

from typing import NamedTuple

STATUSES = {
    "accepted": "The network took it.",
    "rejected": "The network refused it: its code and its message say why. State does not wait for it.",
    "skipped": "It was not sent: the reason says why.",
    "open": "There is no verdict yet. State waits for it, and the next run takes it up again.",
}
"""Each status of a delivery, and what it means."""


ERASED = "sent before the person was erased, and never answered; it is not sent again"
"""The message of what stays ``no_answer`` though nothing more is sent about the person."""
AFTER_ERASURE = "It is not sent again. The network may have it: ask it for deletion, as `adpostbacks erase` says."
"""What to do about that."""


class Reason(NamedTuple):
    """Why a delivery has its status."""

    name: str
    status: str  # the one it belongs to
    sentence: str  # what happened
    advice: str  # what to do next


REASONS = {
    reason.name: reason
    for reason in (
        Reason(
            "invalid",
            "skipped",
            "The record cannot be read as a conversion.",
            "Correct the column that the message names, or map another one to it with `fields`.",
        ),
        Reason(
            "organic",
            "skipped",
            "No ad won this conversion.",
            "Nothing to do.",
        ),
        Reason(
            "not_attributed",
            "skipped",
            "It names no network, and has no click id of one in the config.",
            "Map `network` or a click id. `send: all` in a network's section sends it every conversion.",
        ),
        Reason(
            "other_network",
            "skipped",
            "It belongs to a network or an account that the config does not have.",
            "Add a section or an account for it, if it should be sent there.",
        ),
        Reason(
            "disabled",
            "skipped",
            "The account is switched off in the config.",
            "Remove `enabled: false` to send to it.",
        ),
        Reason(
            "event_off",
            "skipped",
            "This event is switched off for the network.",
            "To send it, name it in `trigger_events`, or give it one of the network's names in `event_map`.",
        ),
        Reason(
            "no_match_key",
            "skipped",
            "It has nothing that this network could find the person by.",
            "Map one of the columns that the message names. Where there are `match_keys`, list it there too.",
        ),
        Reason(
            "too_old",
            "skipped",
            "It happened longer ago than the network or the config allows.",
            "Run more often. What is past the limit can no longer be sent.",
        ),
        Reason(
            "in_future",
            "skipped",
            "Its time is ahead of the clock.",
            "Set `default_timezone` to the time zone of your timestamps, or correct the clock.",
        ),
        Reason(
            "before_click",
            "skipped",
            "It happened before the click or the view that it is attributed to.",
            "Give `click_time` and `event_time` in the same time zone, or raise `click_time_tolerance_seconds`.",
        ),
        Reason(
            "outside_window",
            "skipped",
            "It happened longer after the click or the view than the config's attribution window.",
            "Nothing to do. Widen `attribution_window_days` or `view_window_days` to send such conversions.",
        ),
        Reason(
            "test_without_code",
            "skipped",
            "It is a test, and the account has no setting for tests.",
            "Add the setting that the message names. A test is never sent without it.",
        ),
        Reason(
            "no_consent",
            "skipped",
            "The person has not consented.",
            "Nothing to do: it must not be sent. With `consent_required`, `consent` has to be mapped.",
        ),
        Reason(
            "suppressed",
            "skipped",
            "The person was erased with `adpostbacks erase`, or is in the list that `suppress` names.",
            "Nothing to do: nothing more is sent about them.",
        ),
        Reason(
            "by_rule",
            "skipped",
            "One of your rules, or of a source's `rows`, leaves it out: the message is its name. Or a source corrects"
            " what was never accepted.",
            "Nothing to do. Change the rule if it should be sent.",
        ),
        Reason(
            "deleted",
            "skipped",
            "The row was deleted in the source.",
            "Nothing to do.",
        ),
        Reason(
            "no_adjustments",
            "skipped",
            "It corrects an earlier conversion, and the network takes no corrections.",
            "Nothing to do.",
        ),
        Reason(
            "unsupported",
            "skipped",
            "The network cannot take this conversion as it is.",
            "Add the setting or the column that the message names, or map the event with `event_map`.",
        ),
        Reason(
            "unconfirmed",
            "rejected",
            "The network answered, but did not confirm that it took it.",
            "Look for it in the network's own report. It is sent again only if its record comes again.",
        ),
        Reason(
            "too_large",
            "rejected",
            "It is larger than a request to the network may be.",
            "Send less with it: fewer `contents`, or fewer `properties`.",
        ),
        Reason(
            "throttled",
            "open",
            "The network asked for fewer requests until the run gave up.",
            "The next run sends it. If this goes on, set `requests_per_second`.",
        ),
        Reason(
            "transient",
            "open",
            "It could not be delivered for now: the network failed, or the run ended first.",
            "The next run sends it. If this goes on, see the network's status page.",
        ),
        Reason(
            "no_answer",
            "open",
            "It was sent, and no answer came: the network may have it.",
            "The next run sends it again while the network recognizes repetitions. After that, check the network's own"
            " report and settle it with `adpostbacks resolve`.",
        ),
        Reason(
            "credentials",
            "open",
            "The network refused the account's credentials.",
            "Replace the token, or give it the rights that it lacks. Then the next run sends it.",
        ),
        Reason(
            "busy",
            "open",
            "Another run was sending to the same account, or another task the same conversion.",
            "The next run sends it, unless the other one has.",
        ),
        Reason(
            "resend",
            "open",
            "It was marked with `adpostbacks resolve` to be sent again.",
            "The next run that reads it sends it.",
        ),
        Reason(
            "unwritten",
            "open",
            "Its verdict could not be written to the ledger. Only a run's counts have this reason.",
            "Look for the ledger's error in the log of the run. The next run takes it up again.",
        ),
    )
}
"""Each reason by its name."""
