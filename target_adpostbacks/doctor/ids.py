"""Click ids and other ids that were taken from the wrong place, cut, or changed on their way."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

from target_adpostbacks.core import match_keys as keys
from target_adpostbacks.core import phones
from target_adpostbacks.core.landing import URLS
from target_adpostbacks.core.placeholders import is_macro, is_placeholder
from target_adpostbacks.doctor.case import Case, ClickIdForm
from target_adpostbacks.doctor.findings import Spot, finding

OWN_IDS = ("event_id", "order_id")
NUMBERS = (*OWN_IDS, "external_id", "phone", "lead_id", "campaign_id", "ad_group_id", "ad_id", "creative_id")
EXACT = 2**53
"""From here on a float holds no whole number exactly."""


@finding(
    "error",
    what="The click id is another network's: it has that one's form.",
    cost="The network does not know it, and attributes nothing by it.",
    change="Check which parameter of the landing URL fills the column.",
)
def wrong_click_id(case: Case) -> Iterable[Spot]:
    return [
        Spot(column, own.network)
        for column, text, own in case.click_ids
        if any(_has_form(other, text) for other in case.forms if other.network != own.network)
    ]


def _has_form(form: ClickIdForm, text: str) -> bool:
    return form.pattern is not None and form.pattern.match(text) is not None


@finding(
    "warning",
    what="The conversion is attributed to a network, and the only click id is another one's.",
    cost="Either the attribution is wrong, or the right click id got lost. It can be matched by the person alone.",
    change="Check `network` against the click ids, and how the right one is kept.",
)
def click_id_of_another_network(case: Case) -> Iterable[Spot]:
    c = case.conversion
    if c is None or c.network is None:
        return []
    others = [form for form in case.forms if any(column in c.ids for column in form.columns)]
    return [
        Spot(next(column for column in others[0].columns if column in c.ids), network.name)
        for network in case.networks()
        if others and network.name not in {form.network for form in others} and network.click_id(c) is None
    ]


@finding(
    "error",
    what="The click id ends in dots, or lost its last digits to a spreadsheet or a float.",
    cost="The network does not know it, and attributes nothing by it.",
    change="Make the column wide enough, and keep ids as text everywhere.",
)
def cut_click_id(case: Case) -> Iterable[Spot]:
    return [
        Spot(column, own.network)
        for column, text, own in case.click_ids
        if text.endswith(("...", "…")) or _lost_digits(text) or _is_inexact(case, column)
    ]


_SCIENTIFIC = re.compile(r"[+-]?\d(?:[.,]\d+)?[eE]\+?\d{1,3}").fullmatch


def _lost_digits(text: str) -> bool:
    return _SCIENTIFIC(text) is not None


def _is_inexact(case: Case, column: str) -> bool:
    value = case.raw(column)
    return value.__class__ is float and abs(value) >= EXACT


@finding(
    "error",
    what="The click id is in lower case. The network writes capitals, too.",
    cost="Click ids are compared letter by letter: this one matches nothing.",
    change="Take the id from the URL as it is, without LOWER().",
)
def lower_case_click_id(case: Case) -> Iterable[Spot]:
    return [
        Spot(column, own.network)
        for column, text, own in case.click_ids
        if own.pattern
        and text == text.lower()
        and not own.pattern.match(text)
        and re.match(own.pattern.pattern, text, re.IGNORECASE)
    ]


@finding(
    "error",
    what="The id was a number that a spreadsheet or a float rounded: 4.9151E+11.",
    cost="Its last digits are gone: different ids become one, and a phone number becomes nobody's.",
    change="Keep ids and phone numbers as text everywhere.",
)
def rounded_number(case: Case) -> Iterable[Spot]:
    return [
        Spot(column)
        for column in NUMBERS
        if column in case.written.texts and (_is_inexact(case, column) or any(map(_SCIENTIFIC, case.texts(column))))
    ]


@finding(
    "warning",
    what="The value is a macro that nobody filled in: {{click_id}}, __CLICKID__.",
    cost="It counts as missing.",
    change="Correct the ad's URL template, or the tag that reads the parameter.",
)
def unexpanded_macro(case: Case) -> Iterable[Spot]:
    return [Spot(column) for column, text in case.words if is_macro(text)]


@finding(
    "warning",
    what="A parameter of the URL holds a macro that no network filled in: `ad_id=__CID__`.",
    cost="It counts as missing: nobody can set what the ad cost beside the conversion.",
    change="Compare the link with what `adpostbacks links` prints.",
)
def unfilled_link(case: Case) -> Iterable[Spot]:
    return [
        Spot(column, None, f"{name}: {_cause(case, value)}")
        for column in URLS
        for url in case.texts(column)
        for name, value in case.landing.unfilled(url)
    ]


def _cause(case: Case, macro: str) -> str:
    """Why a macro was probably not filled in."""
    if _SINGLE(macro):
        return "a typo, one underscore where two belong"
    if case.was_clicked():
        return "the ad was clicked, so the macro is misspelled or another network's"
    return "no click id is beside it: a preview of the ad, or a link that was shared"


_SINGLE = re.compile(r"_[A-Z0-9]+(?:_[A-Z0-9]+)*_").fullmatch


@finding(
    "note",
    what="The value is a word for nothing: null, undefined, (not set).",
    cost="It counts as missing.",
    change="Leave the column empty.",
)
def placeholder_value(case: Case) -> Iterable[Spot]:
    return [
        Spot(column)
        for column, text in case.words
        if column not in _WITH_SUCH_WORDS and is_placeholder(text) and not is_macro(text)
    ]


_WITH_SUCH_WORDS = frozenset("network first_name last_name city state".split())
"""Columns where such a word is somebody's name, or says that no ad won the conversion."""


@finding(
    "error",
    what="An e-mail address or a phone number stands in an id that is sent as it is.",
    cost="The networks forbid personal data in clear there, and close accounts for it.",
    change="Map another column to the id, or hash it with a secret of your own. Change the browser pixel alike.",
)
def personal_id(case: Case) -> Iterable[Spot]:
    return [Spot(column) for column in OWN_IDS if any(map(is_personal, case.texts(column)))]


def is_personal(text: str) -> bool:
    """Whether an id is an address or an international phone number."""
    return ("@" in text and keys.email(text) is not None) or bool(phones.is_e164(text))


@finding(
    "warning",
    what="The URL has an e-mail address in it.",
    cost="It is sent in clear. Networks forbid that, and warn the account or refuse the event.",
    change="Take the parameter out of the URL before it is stored.",
)
def personal_url(case: Case) -> Iterable[Spot]:
    return [
        Spot(column)
        for column in ("event_source_url", "referrer_url")
        for text in case.texts(column)
        if ("@" in text or "%40" in text) and _ADDRESS(unquote(text.partition("?")[2]))
    ]


_ADDRESS = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}\.[A-Za-z]").search


@finding(
    "note",
    what="There is no event id: the order id stands in, or an id made of the stream's key.",
    cost="If a browser pixel reports the same conversion under another id, the network counts it twice.",
    change="Map the id that the pixel sends as `event_id`. Without a pixel: nothing.",
)
def missing_event_id(case: Case) -> Iterable[Spot]:
    return [Spot("event_id")] if case.conversion and not case.texts("event_id") else []


@finding(
    "warning",
    what="The same event id came before with other facts: another time, value, currency or order.",
    cost="What was accepted first stands. The later ones are never sent.",
    change="Give each conversion an id of its own; where a join multiplies rows, make them one.",
)
def duplicate_event_id(case: Case) -> Iterable[Spot]:
    c = case.conversion
    if c is None or c.adjustment:
        return []
    key = (c.network, c.account, c.event_name, c.event_id, c.test)
    is_same = case.memory.recall("event", key, (c.event_time, c.value, c.currency, c.order_id))
    return [Spot("event_id")] if is_same is False else []


@finding(
    "warning",
    what="The same order came before under another event id.",
    cost="The network counts the sale twice.",
    change="Derive the event id from the order, so that it is the same whenever the row comes again.",
)
def duplicate_order_id(case: Case) -> Iterable[Spot]:
    c = case.conversion
    if c is None or c.order_id is None or c.event_name != "purchase" or c.adjustment:
        return []
    is_same = case.memory.recall("order", (c.network, c.account, c.order_id, c.test), (c.event_id,))
    return [Spot("order_id")] if is_same is False else []
