"""The section ``linkedin`` of the config."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal

from target_adpostbacks.core.events import ByEvent
from target_adpostbacks.core.settings import Settings, doc

RuleIds = str | int | Sequence[str | int]

REFRESH = ("refresh_token", "client_id", "client_secret")
NEWEST_VERSION = "202609"  # that is documented; 202610 and 202611 should be there too (unconfirmed)
SHA256_IP = "202607"  # the version that brought hashed addresses
WARNED_MONTHS, KEPT_MONTHS = 11, 12  # of a version's age

_RULE = re.compile(r"(?:urn:lla:llaPartnerConversion:)?[0-9]+").fullmatch
_VERSION = re.compile(r"20[0-9]{2}(?:0[1-9]|1[0-2])").fullmatch
_CURRENCY = re.compile(r"[A-Z]{3}").fullmatch


class LinkedInSettings(Settings, frozen=True, kw_only=True):
    access_token: Annotated[
        str,
        doc(
            "Access token. The one of Campaign Manager does not expire. The one of a developer app, with the scopes"
            " `rw_conversions` and `r_ads`, does.",
            where="Campaign Manager > Signals manager > Conversions API > Direct API",
            example="example-access-token",
            secret=True,
        ),
    ]
    conversion_rules: Annotated[
        Mapping[str, RuleIds],
        doc(
            "Your event names to the ids of the conversion rules that count them: an id, or a list of ids. An event"
            " without one is skipped, `event_off`.",
            where="Campaign Manager > Analyze > Conversion tracking > the rule, whose method is Conversions API",
            example={"purchase": "104012", "lead": "104004"},
        ),
    ]
    test_conversion_rules: Annotated[
        Mapping[str, RuleIds],
        doc(
            "The same for conversions with `test: true`, which LinkedIn can't tell from others: ids of rules that were"
            " made for tests and belong to no campaign.",
            where="Campaign Manager > Analyze > Conversion tracking > the rule",
            example={"lead": "104999"},
        ),
    ] = {}
    refresh_token: Annotated[
        str | None,
        doc(
            "Refreshes `access_token` when it has ended, together with `client_id` and `client_secret`. All three or"
            " none.",
            where="LinkedIn Developers > your app > Auth > OAuth 2.0 tools",
            secret=True,
        ),
    ] = None
    client_id: Annotated[str | None, doc("The developer app's id.", where="LinkedIn Developers > your app > Auth")] = (
        None
    )
    client_secret: Annotated[str | None, doc("Its secret.", where="the same page", secret=True)] = None
    linkedin_version: Annotated[
        str,
        doc(
            "Version of the API, year and month. LinkedIn turns each off a year after it came, and then refuses"
            " everything; from its eleventh month on, a run warns.",
        ),
    ] = NEWEST_VERSION
    default_currency: Annotated[
        str | None, doc("Currency of a value that has none. Without one it is not sent: `EUR`.")
    ] = None
    send_ip: Annotated[
        Literal["plaintext", "sha256", "off"],
        doc("How IPv4 addresses are sent; IPv6 never is. `sha256` needs version 202607 or later."),
    ] = "plaintext"
    send_user_info: Annotated[
        bool, doc("false: names, title, company and country are not sent, and names identify nobody.")
    ] = True

    def problems(self) -> Iterable[str]:
        yield from super().problems()
        if not self.conversion_rules:
            yield "conversion_rules: empty; map your event names to the ids of conversion rules"
        for setting in ("conversion_rules", "test_conversion_rules"):
            yield from _rule_problems(setting, getattr(self, setting))
        counted = {rule for rules in self.conversion_rules.values() for rule in rule_ids(rules)}
        for event, rules in self.test_conversion_rules.items():
            if counted.intersection(rule_ids(rules)):
                yield f"test_conversion_rules.{event}: stands in conversion_rules too, where tests would count"
        lacking = [name for name in REFRESH if not getattr(self, name)]
        if len(lacking) < len(REFRESH):
            yield from (f"{name}: missing; a token is refreshed with {', '.join(REFRESH)}" for name in lacking)
        if not _VERSION(self.linkedin_version):
            yield f"linkedin_version: a year and a month expected, {NEWEST_VERSION}"
        if self.default_currency and not _CURRENCY(self.default_currency):
            yield "default_currency: three capital letters expected, EUR"

    def hints(self) -> Iterable[str]:
        rules = ByEvent({event: event for event in self.conversion_rules})
        for event, name in self.event_map.items():
            if name and not rules.get(name):
                yield f"event_map.{event}: no event of conversion_rules; the event is skipped"
        if self.send_ip == "sha256" and self.linkedin_version < SHA256_IP:
            yield "send_ip: linkedin_version takes no hashed addresses; none is sent"

    def expiring(self, now: datetime) -> Iterable[str]:
        year, month = int(self.linkedin_version[:4]), int(self.linkedin_version[4:])
        months = (now.year - year) * 12 + now.month - month
        if months >= WARNED_MONTHS:
            yield (
                f"linkedin_version: {months} months old; LinkedIn turns versions off after {KEPT_MONTHS} and then"
                " refuses everything. Set a newer one"
            )


def _rule_problems(setting: str, rules: Mapping[str, RuleIds]) -> Iterable[str]:
    for event, ids in rules.items():
        if not all(map(_RULE, _listed(ids))) or not _listed(ids):
            yield f"{setting}.{event}: the rule's number expected, or a list of numbers"


def rule_ids(rules: RuleIds) -> tuple[str, ...]:
    """``['urn:lla:llaPartnerConversion:104012', 104004, '104004']`` -> ``('104012', '104004')``."""
    return tuple(dict.fromkeys(each.rpartition(":")[2] for each in _listed(rules)))


def _listed(rules: RuleIds) -> list[str]:
    return [str(each).strip() for each in ([rules] if isinstance(rules, (str, int)) else rules)]
