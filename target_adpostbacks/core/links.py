"""Landing URLs for ads, in which each network fills in its own macros; ``landing`` reads them back."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from target_adpostbacks.core.network import Network

MEDIUM = "paid"
_WEB_URL = re.compile(r"https?://[^\s/?#]+\S*", re.IGNORECASE).fullmatch
_BLANKS = ("campaign_name", "campaign_id")
"""What a person fills in where the network fills in nothing. Its braces say so, lest it be taken for a name."""


class NoLink(ValueError):
    """A URL of which no link can be made: says why, and what to do."""


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """An ad's landing URL at one network, and where it goes."""

    network: str
    url: str  # whole, as a visitor comes with it once its macros are filled in
    paste: str  # what is pasted: the URL, or its parameters alone
    paste_into: str  # the network's field for it
    blanks: list[str]  # ``{campaign_name}``: what a person fills in, for the network does not


def link(network: type[Network[Any]], url: str, *, with_utm: bool = True) -> Link:
    """The landing URL with the network's macros; what the URL has already stays. Raises NoLink."""
    if not _WEB_URL(url):
        raise NoLink("an http or https URL expected, without spaces")
    pairs = parameters(network, with_utm=with_utm)
    before, hash_, fragment = url.partition("#")
    there = {name for name, _ in parse_qsl(before.partition("?")[2], keep_blank_values=True)}
    if both := [name for name in pairs if name in there]:
        utm = ", or keep your own with --no-utm" if any(name.startswith("utm_") for name in both) else ""
        raise NoLink(f"the URL has {', '.join(both)} already; take that out{utm}")
    query = "&".join(f"{name}={value}" for name, value in pairs.items())
    joint = "" if before.endswith(("?", "&")) else "&" if "?" in before else "?"
    whole = f"{before}{joint}{query}{hash_}{fragment}"
    return Link(
        network=network.name,
        url=whole,
        paste=query if network.link_is_query else whole,
        paste_into=network.link_field,
        blanks=[value for value in dict.fromkeys(pairs.values()) if value in _blanks(network).values()],
    )


def parameters(network: type[Network[Any]], *, with_utm: bool = True) -> dict[str, str]:
    """The names that a link of the network has, and their values: macros stay as they are, for networks to see them."""
    macros = {**_blanks(network), **network.links}
    name = macros.pop("campaign_name", None)
    if not with_utm:
        return {**({"campaign_name": name} if name else {}), **macros}
    utm = {"utm_source": network.name, "utm_medium": MEDIUM, "utm_campaign": name or macros["campaign_id"]}
    return {**utm, **macros}


def _blanks(network: type[Network[Any]]) -> dict[str, str]:
    return {} if network.links else {name: f"{{{name}}}" for name in _BLANKS}
