"""What a URL says of the ad that led to it: its campaign, ad group and ad, and who ran it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote_plus

from target_adpostbacks.core.columns import READERS
from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.placeholders import is_macro, is_placeholder
from target_adpostbacks.core.urls import query_value

if TYPE_CHECKING:
    from target_adpostbacks.core.network import Network

URLS = ("landing_url", "event_source_url")
"""The columns whose parameters tell of an ad; the first counts that does."""
PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "campaign_id": ("campaign_id", "utm_id", "campaignid"),
    "campaign_name": ("campaign_name", "utm_campaign"),
    "ad_group_id": ("ad_group_id", "adgroup_id", "adgroupid", "adset_id", "ad_set_id", "adsetid"),
    "ad_id": ("ad_id", "adid"),
    "creative_id": ("creative_id", "creativeid", "creative"),
    "placement": ("placement",),
}
"""Column → the parameters that it is read from, the one that counts first being the first. ``Landing.read`` looks for
a part of each name before it takes a URL apart."""
UNPAID = frozenset({"email", "organic", "social", "referral"})
"""Values of ``utm_medium`` beside which ``utm_source`` names no network's ads."""

_BRACED = re.compile(r"\$?\{.*\}|%7[Bb].*%7[Dd]|.*\{\{.*\}\}.*", re.DOTALL).fullmatch
_COLUMNS = {name: (column, rank) for column, names in PARAMETERS.items() for rank, name in enumerate(names)}
_OWN_RANK = max(map(len, PARAMETERS.values()))


class OwnNames(NamedTuple):
    """Parameters that say something of an ad in one network's links alone."""

    names: frozenset[str]  # what a record's `network` may call it
    click_ids: tuple[str, ...]
    columns: Mapping[str, str]  # parameter → column


class Landing(NamedTuple):
    """What the networks say of landing URLs. ``macros``: as they stand in links that nobody filled in."""

    macros: frozenset[str] = frozenset()
    click_ids: frozenset[str] = frozenset()
    own: tuple[OwnNames, ...] = ()
    own_parameters: frozenset[str] = frozenset()

    @classmethod
    def of(cls, networks: Iterable[type[Network[Any]]]) -> Landing:
        """What these networks say of theirs."""
        kinds = [*networks]
        own = tuple(
            OwnNames(frozenset((kind.name, *kind.aliases)), kind.click_ids, kind.own_parameters)
            for kind in kinds
            if kind.own_parameters
        )
        macros = frozenset(macro for kind in kinds for macro in kind.links.values())
        click_ids = frozenset(name for kind in kinds for name in kind.click_ids)
        return cls(macros, click_ids, own, frozenset(name for each in own for name in each.columns))

    def read(self, out: dict[str, Any]) -> None:
        """Fill in the ad's columns that a record lacks, from the first of its URLs that tells of an ad."""
        for url_column in URLS:
            url = out.get(url_column)
            if url and self.may_tell(url) and (found := self._found(url, out)):
                for column, value in found.items():
                    if column not in out and (clean := READERS[column](column, value)):
                        out[column] = clean
                return

    @staticmethod
    def may_tell(url: str) -> bool:
        """Whether it is worth while to take a URL apart."""
        return "?" in url and ("id=" in url or "campaign" in url or "creative=" in url or "placement=" in url)

    def _found(self, url: str, out: Mapping[str, Any]) -> dict[str, str]:
        """Column → value, of what a URL says of the ad."""
        found: dict[str, str] = {}
        ranks: dict[str, int] = {}
        own: Mapping[str, str] | None = None
        for name, value in _pairs(url):
            if known := _COLUMNS.get(name):
                column, rank = known
            elif name in self.own_parameters:
                if own is None:
                    own = self._own(url, out)
                if name not in own:
                    continue
                column, rank = own[name], _OWN_RANK
            else:
                continue
            if rank < ranks.get(column, _OWN_RANK + 1) and (text := self.usable(value)):
                found[column], ranks[column] = text, rank
        if found and found.get("campaign_name") == (out.get("campaign_id") or found.get("campaign_id")):
            found.pop("campaign_name", None)  # where a network has no macro for the name, links have the id there, too
        return found

    def _own(self, url: str, out: Mapping[str, Any]) -> Mapping[str, str]:
        """The parameters that only the network of this conversion's ad uses."""
        network = out.get("network")
        for names, click_ids, columns in self.own:
            if network in names:
                return columns
            if network is None and any(out.get(name) or query_value(url, name) for name in click_ids):
                return columns
        return {}

    def usable(self, value: str) -> str | None:
        """A parameter's value, decoded; None where it says nothing, or is a macro that nobody filled in."""
        text = unquote_plus(value).strip() if "%" in value or "+" in value else value.strip()
        if not text or is_placeholder(text) or self.is_unfilled(text):
            return None
        return text

    def is_unfilled(self, text: str) -> bool:
        """Whether a decoded value is a macro that nobody filled in, or has one within it."""
        if text in self.macros:
            return True
        return ("{" in text or "%" in text or "_" in text[:1]) and (is_macro(text) or _BRACED(text) is not None)

    def unfilled(self, url: str) -> Iterator[tuple[str, str]]:
        """Each parameter of an ad's link that holds a macro which nobody filled in, and the macro."""
        for name, value in _pairs(url):
            is_known = name in _COLUMNS or name in self.own_parameters or name in self.click_ids
            if (is_known or name.startswith("utm_")) and self.is_unfilled(text := unquote_plus(value).strip()):
                yield name, text


def utm_source(c: Conversion) -> str:
    """Who ran the ad as the link says it, in small letters; empty where it says nothing, or names no paid medium."""
    for url in (c.landing_url, c.event_source_url):
        if source := query_value(url, "utm_source", unquote_plus):
            medium = query_value(url, "utm_medium", unquote_plus) or ""
            return "" if medium.lower() in UNPAID else source.lower()
    return ""


def _pairs(url: str) -> Iterator[tuple[str, str]]:
    for pair in url.partition("#")[0].partition("?")[2].split("&"):
        name, _, value = pair.partition("=")
        if value:
            yield name, value
