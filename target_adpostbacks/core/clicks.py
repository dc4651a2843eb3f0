"""Clicks that were kept before a conversion: what a record says of one, and which of them a conversion gets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any, Literal, NamedTuple

import msgspec

from target_adpostbacks.core import phones
from target_adpostbacks.core.conversion import Conversion, InvalidConversion
from target_adpostbacks.core.digests import KINDS, forms
from target_adpostbacks.core.layout import Columns
from target_adpostbacks.core.network import Network
from target_adpostbacks.core.record import is_deleted, parse

VISITOR = "anonymous_id"
"""The column with a visitor's own id: a device. It leads to clicks, but connects nobody with anybody else."""
MOST_LINKS = 20
"""What is linked to more others is a shared device, or a value that stands for nobody."""
MOST_IDENTIFIERS = 10
"""Of one row, that are linked with each other."""
AS_A_CLICK = {"event_name": "ad_click", "event_id": "click", "event_time": "2000-01-01T00:00:00Z", "adjustment": None}

Model = Literal["last", "first"]
Credit = Literal["each_network", "last_network"]
Codes = Sequence[tuple[str, ...]]


class Rule(NamedTuple):
    """Which click a conversion gets. ``window``: how long before it at most."""

    window: timedelta
    model: Model = "last"
    credit: Credit = "each_network"


class Click(NamedTuple):
    """A click as it is kept. ``cookies``: the network's, by native name."""

    network: str
    click_id: str
    name: str  # of the click id, native
    cookies: Mapping[str, str]
    click_time: datetime
    campaign_id: str | None
    ad_group_id: str | None
    ad_id: str | None


class Told(NamedTuple):
    """What a record tells. ``people``: forms of all that identifies the person, see ``digests``."""

    clicks: Sequence[Click]
    people: Sequence[str]
    links: Sequence[tuple[str, str]]  # forms of values that belong to one person


class LeftOut(Exception):
    """A record that is not kept. ``reason``: ``"click_time_missing"``; the message holds no value."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Candidate(NamedTuple):
    """A click of the conversion's person. ``row``: its id in the ledger; ``by``: the column that leads to it."""

    row: int
    click: Click
    by: str


def told(record: Mapping[str, Any], columns: Columns, networks: Mapping[str, Network[Any]], codes: Codes = ()) -> Told:
    """What a record says of clicks and of who is who. Raises LeftOut.

    ``networks``: by section; ``codes``: what completes phone numbers, by account.
    """
    if is_deleted(record):
        raise LeftOut("deleted", "the source has deleted it")
    try:
        c = parse(record, columns, over=AS_A_CLICK)
    except InvalidConversion as error:
        raise LeftOut("invalid", str(error)) from None
    except RecursionError:
        raise LeftOut("invalid", "nested too deeply") from None
    if c.consent is False:
        raise LeftOut("no_consent", "consent is false")
    if False in (c.ad_user_data, c.ad_personalization, c.ad_storage):
        raise LeftOut("no_consent", "an ad consent signal is denied")
    people = [each for _, each in identifiers(c, codes)]
    clicked = {section: click for section, network in networks.items() if (click := network.click(c))}
    if not people or (not clicked and len(people) < 2):
        raise LeftOut("nothing_to_keep", "neither a click id with an identifier, nor two identifiers of a person")
    if clicked and c.click_time is None:
        raise LeftOut("click_time_missing", "a click id without click_time; map the column")
    kept = [_click(c, section, *click, networks[section]) for section, click in clicked.items()]
    first = [each[0] for each in people[:MOST_IDENTIFIERS]]
    every = dict.fromkeys(form for each in people for form in each)
    return Told(kept, tuple(every), [*combinations(dict.fromkeys(first), 2)])


def _click(c: Conversion, section: str, name: str, click_id: str, network: Network[Any]) -> Click:
    assert c.click_time is not None  # noqa: S101 - it was looked for
    cookies = {each: c.ids[each] for each in network.ids if each in c.ids and each not in network.click_ids}
    cookies.pop(VISITOR, None)
    return Click(section, click_id, name, cookies, c.click_time, c.campaign_id, c.ad_group_id, c.ad_id)


def identifiers(c: Conversion, codes: Codes = ()) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each value that identifies the person of a conversion: its column, and its forms."""
    for kind in KINDS:
        for value in getattr(c, kind):
            completed = dict.fromkeys(((), *codes)) if kind == "phone" and not phones.is_e164(value) else ((),)
            if found := tuple(dict.fromkeys(form for each in completed for form in forms(kind, value, each))):
                yield kind, found
    if (visitor := c.ids.get(VISITOR)) and (found := forms(VISITOR, visitor)):
        yield VISITOR, found


def chosen(candidates: Iterable[Candidate], at: datetime, rule: Rule) -> dict[str, Candidate]:
    """For each network the click that a conversion at that time gets; both ends of the window are in it."""
    best: dict[str, Candidate] = {}
    for each in candidates:
        click = each.click
        if at - rule.window <= click.click_time <= at:
            before = best.get(click.network)
            if before is None or _place(each, rule.model) < _place(before, rule.model):
                best[click.network] = each
    return best


def _place(each: Candidate, model: Model) -> tuple[float, str]:
    """The smaller goes first: by time, then by click id."""
    time = each.click.click_time.timestamp()
    return -time if model == "last" else time, each.click.click_id


class Stitched(NamedTuple):
    """A conversion with the clicks that it gets."""

    conversion: Conversion
    candidates: Mapping[str, Candidate]  # by section

    def of(self, section: str) -> Conversion:
        """The conversion as one network gets it: what its click says fills the gaps of the record."""
        c = self.conversion
        if (found := self.candidates.get(section)) is None:
            return c
        click = found.click
        changes: dict[str, Any] = {} if c.click_time else {"click_time": click.click_time}
        if not (c.campaign_id or c.ad_group_id or c.ad_id):
            changes |= {"campaign_id": click.campaign_id, "ad_group_id": click.ad_group_id, "ad_id": click.ad_id}
        return msgspec.structs.replace(c, **changes) if changes else c


def stitched(
    c: Conversion,
    candidates: Iterable[Candidate],
    rule: Rule,
    networks: Mapping[str, Network[Any]],
    names: Mapping[str, str],
) -> Stitched:
    """A conversion with the clicks that fill its gaps. What the record says itself always wins.

    ``networks``: those of the config by section; ``names``: every name of a network → its section.
    """
    own = {section for section, network in networks.items() if network.click(c)}
    found = {
        section: each
        for section, each in chosen(candidates, c.event_time, rule).items()
        if section in networks and section not in own and (c.network is None or names.get(c.network) == section)
    }
    changes: dict[str, Any] = {}
    if rule.credit == "last_network" and c.network is None:
        newest = min(found.values(), key=lambda each: _place(each, "last")) if found and not own else None
        found = {newest.click.network: newest} if newest else {}
        if newest:
            changes["network"] = newest.click.network
    if found:
        kept = {name: value for each in found.values() for name, value in _ids(each.click).items()}
        changes["ids"] = {**kept, **c.ids}
    return Stitched(msgspec.structs.replace(c, **changes) if changes else c, found)


def _ids(click: Click) -> dict[str, str]:
    return {**click.cookies, click.name: click.click_id}
