"""The documents' tables of networks: a line for each, whose every cell is what the network says of itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
import told_links
from told import SOURCES, Kind, a_conversion, an_account_of, by_source, code, differing, duration, table, test_code

from target_adpostbacks.core.answers import JSON, Skip
from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.network import Network
from target_adpostbacks.networks import NETWORKS

PERSON: dict[str, dict[str, Any]] = {
    "email": {"email": ("ada@example.com",)},
    "phone": {"phone": ("+14155550123",)},
    "id": {"external_id": ("7",)},
    "name": {"first_name": "Ada", "last_name": "Lovelace"},
    "birth date": {"date_of_birth": "1990-05-17"},
    "gender": {"gender": "f"},
    "place": {"city": "Austin", "state": "TX", "postal_code": "73301", "country": "US"},
    "IP": {"ip_address": "8.8.8.8"},
    "user agent": {"user_agent": "Mozilla/5.0"},
    "device": {**dict.fromkeys(("advertising_id", "idfa", "gaid", "idfv"), "12345678-90ab-4cde-8f01-234567890abc")},
    "lead id": {"lead_id": "1234567890123456"},
}
"""What the tables call a kind of match key, and its columns."""
OTHERS = {"event_source_url": "https://example.com/", "app_id": "343200656", "value": 9.99, "currency": "EUR"}
ADJUSTMENTS = ("retract", "restate")
OWN_NAME = "vip_upgrade"


def matrix() -> str:
    """What each network takes; how much, and when."""
    parts = {
        "What each takes:": (("conversions", "click ids", "match keys", "events"), taken),
        "How much, and when:": (("in a request", "not older than", "same id counts once in", "corrections"), limits),
    }
    return "\n".join(f"{title}\n{lines(head, cells, 'docs/')}" for title, (head, cells) in parts.items())


def macros() -> str:
    """By which macros each network fills in the ad."""
    return lines(("campaign", "ad group", "ad", "placement, creative"), told_links.macros)


def trials() -> str:
    """How an account of each network is tried."""
    return lines(("test code", "validated by", "OAuth"), tried)


def told() -> str:
    """What each network is told of consent."""
    return lines(("is told",), lambda network: iter([consent(network)]))


def lines(head: tuple[str, ...], cells: Callable[[Kind], Iterator[str]], folder: str = "") -> str:
    """A table of all networks, for a page from which theirs are in ``folder``."""
    return table(("network", *head), ((link(network, folder), *cells(network)) for network in NETWORKS.values()))


def taken(network: Kind) -> Iterator[str]:
    yield listed(SOURCES[source] for source in network.assets)
    yield code(network.click_ids) or "–"
    yield match_keys(network)
    yield events(network)


def limits(network: Kind) -> Iterator[str]:
    account = an_account_of(network)
    yield f"{network.request_limits.events:,}"
    yield differing(network, lambda conversion: duration(account.age_limit(conversion)))
    yield differing(network, lambda conversion: duration(account.resend_window(conversion)))
    yield corrections(account)


def tried(network: Kind) -> Iterator[str]:
    yield tests(network)
    yield validation(network)
    yield oauth(network)


def link(network: Kind, folder: str) -> str:
    return f"[{network.title}]({folder}networks/{network.name}.md)"


def listed(words: Iterable[str]) -> str:
    return ", ".join(words) or "–"


def match_keys(network: Kind) -> str:
    """The kinds of match keys without which some conversion would be sent otherwise."""
    account, names = an_account_of(network), [*PERSON]
    for conversion in persons(network):
        whole = payload(account, conversion)
        names = [
            name for name in names if whole is None or payload(account, without(conversion, PERSON[name])) == whole
        ]
    return listed(name for name in PERSON if name not in names)


def persons(network: Kind) -> Iterator[Conversion]:
    """A conversion of each kind and platform, with everything that is known of a person."""
    known = {column: value for columns in PERSON.values() for column, value in columns.items()}
    ids = dict.fromkeys(network.click_ids[:1], network.click_id_example)
    for source in network.assets:
        for platform in ("ios", "android"):
            for event in ("purchase", "lead"):
                yield msgspec.structs.replace(
                    a_conversion(source, event), ids=ids, network=network.name, platform=platform, **OTHERS, **known
                )


def without(conversion: Conversion, columns: Iterable[str]) -> Conversion:
    empty = a_conversion(conversion.event_source)
    return msgspec.structs.replace(conversion, **{column: getattr(empty, column) for column in columns})


def payload(account: Network[Any], conversion: Conversion) -> JSON:
    """What is sent of it; None where nothing is."""
    try:
        return account.payload(account.priced(conversion))
    except Skip:
        return None


def events(network: Kind) -> str:
    """How many of the canonical events are sent unless a setting says otherwise, and what becomes of other names."""
    if not network.standard_events:
        return "those that you map"
    account, source = an_account_of(network), next(iter(network.assets))

    def name(event: str) -> str | None:
        try:
            return account.event(a_conversion(source, event))
        except Skip:
            return None

    own = name(OWN_NAME)
    others = "" if own is None else " and your own" if own == OWN_NAME else f", others as `{own}`"
    return f"{sum(name(event) is not None for event in network.events)}{others}"


def corrections(account: Network[Any]) -> str:
    conversions = [a_conversion(source) for source in account.assets]
    return listed(
        adjustment
        for adjustment in ADJUSTMENTS
        if any(account.adjusts(msgspec.structs.replace(each, adjustment=adjustment)) for each in conversions)
    )


def consent(network: Kind) -> str:
    """What of it has a field of the network's; whatever is denied and has none is not sent."""
    account = an_account_of(network)
    limited = by_source(network, lambda conversion: "limited use" if account.limits_data_use(conversion) else "")
    kinds = [words if len(limited) == 1 else f"{words} ({names})" for words, names in limited.items() if words]
    return listed([*kinds, *(f"`{signal}`" for signal in sorted(network.consent_signals))])


def tests(network: Kind) -> str:
    by_event = " for each event" if network.tests_by_event else ""
    return f"{test_code(network)}{by_event}" + "; tests count" * network.counts_tests


def validation(network: Kind) -> str:
    """How ``adpostbacks validate`` finds out whether the credentials are good."""
    if network.check is not Network.check:
        return "reading"
    return "a test event" if network.takes_tests() else "–"


def oauth(network: Kind) -> str:
    ways = {
        "`connect`": network.connection is not None,
        "renewed in a run": network.credentials is not Network.credentials,
        "can sign each request": network.signed is not Network.signed,
    }
    return listed(way for way, is_taken in ways.items() if is_taken)
