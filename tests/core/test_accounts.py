"""Whom a conversion is for: the networks and accounts of the config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import msgspec
import pytest
from conftest import a_conversion, an_account

from target_adpostbacks.core.accounts import Account, route, routed
from target_adpostbacks.core.answers import Skip, or_skip
from target_adpostbacks.networks import NETWORKS

NAMES = {alias: name for name, network in NETWORKS.items() for alias in (name, *network.aliases)}


def sections(*accounts: Account) -> Mapping[str, Sequence[Account]]:
    by_section: dict[str, list[Account]] = {}
    for account in accounts:
        by_section.setdefault(account.section, []).append(account)
    return by_section


BOTH = sections(an_account("tiktok"), an_account("reddit"))
TWO_GAMES = sections(an_account("tiktok", "game_a"), an_account("tiktok", "game_b"), an_account("reddit"))


def labels_of(accounts: Mapping[str, Sequence[Account]], **columns: Any) -> list[str]:
    conversion = a_conversion(**{"network": None, "ttclid": None, **columns})
    return [account.label for account in route(conversion, accounts, NAMES)]


def unrouted(accounts: Mapping[str, Sequence[Account]], **columns: Any) -> str:
    with pytest.raises(Skip) as skip:
        labels_of(accounts, **columns)
    return skip.value.reason


def test_a_conversion_goes_to_the_network_it_is_attributed_to() -> None:
    assert labels_of(BOTH, network="tiktok", rdt_cid="1") == ["tiktok.default"]
    assert labels_of(BOTH, network="reddit") == ["reddit.default"]


@pytest.mark.parametrize("name", ["TikTok Ads", "tiktok_ads", " TIKTOK ", "ByteDance"])
def test_a_network_may_be_called_by_an_alias(name: str) -> None:
    assert labels_of(BOTH, network=name) == ["tiktok.default"]


def test_every_account_of_the_section_gets_it_unless_one_is_named() -> None:
    assert labels_of(TWO_GAMES, network="tiktok") == ["tiktok.game_a", "tiktok.game_b"]
    assert labels_of(TWO_GAMES, network="tiktok", account="game_b") == ["tiktok.game_b"]
    assert unrouted(TWO_GAMES, network="tiktok", account="game_c") == "other_network"
    assert unrouted(TWO_GAMES, network="reddit", account="game_a") == "other_network"


@pytest.mark.parametrize(
    "nobody",
    [
        "organic",
        "Organic",
        "direct",
        "none",
        "(none)",
        "(not set)",
        "unattributed",
        "Organic Search",
        "(direct)",
        "typein",
        "Google Organic Search",
        "Untrusted Devices",
        "No User Consent",
    ],
)
def test_what_is_attributed_to_nobody_is_organic(nobody: str) -> None:
    assert unrouted(BOTH, network=nobody, ttclid="E.C.P.abc") == "organic"


@pytest.mark.parametrize("name", ["meta", "newspaper", "reddit"])
def test_a_network_without_a_section_is_another_network(name: str) -> None:
    assert unrouted(sections(an_account("tiktok")), network=name, ttclid="E.C.P.abc") == "other_network"


@pytest.mark.parametrize(
    "columns",
    [
        {"ttclid": "E.C.P.abc"},
        {"landing_url": "https://play.example.com/?ttclid=E.C.P.abc"},
        {"event_source_url": "https://play.example.com/?ttclid=E.C.P.abc"},
    ],
)
def test_without_a_network_the_click_id_tells_whose_it_is(columns: dict[str, str]) -> None:
    assert labels_of(BOTH, **columns) == ["tiktok.default"]
    assert labels_of(BOTH, rdt_cid="1", **columns) == ["tiktok.default", "reddit.default"]


@pytest.mark.parametrize(
    ("query", "labels"),
    [
        ("utm_source=tiktok&utm_medium=paid", ["tiktok.default"]),
        ("utm_source=ByteDance", ["tiktok.default"]),
        ("utm_source=reddit", ["reddit.default"]),
        ("utm_source=reddit&utm_medium=social", ["tiktok.default", "reddit.default"]),
        ("utm_source=meta", ["tiktok.default", "reddit.default"]),
        ("utm_source=newspaper", ["tiktok.default", "reddit.default"]),
    ],
)
def test_of_several_click_ids_the_links_source_decides(query: str, labels: list[str]) -> None:
    both = {"ttclid": "E.C.P.abc", "rdt_cid": "1", "landing_url": f"/?{query}"}
    assert labels_of(BOTH, **both) == labels
    everything = sections(an_account("tiktok"), an_account("reddit"), an_account("meta", send="all"))
    assert labels_of(everything, **both) == [*labels, "meta.default"]


def test_a_source_without_a_click_id_attributes_nothing() -> None:
    assert unrouted(BOTH, landing_url="/?utm_source=tiktok&utm_medium=paid") == "not_attributed"
    assert labels_of(BOTH, rdt_cid="1", landing_url="/?utm_source=tiktok") == ["reddit.default"]


@pytest.mark.parametrize("columns", [{}, {"click_id": "abc"}, {"ttp": "cookie"}, {"email": "ada@example.com"}])
def test_without_network_and_click_id_it_is_not_attributed(columns: dict[str, str]) -> None:
    assert unrouted(BOTH, **columns) == "not_attributed"


def test_send_all_asks_for_no_click_id() -> None:
    accounts = sections(an_account("tiktok", send="all"), an_account("reddit"))
    assert labels_of(accounts) == ["tiktok.default"]
    assert labels_of(accounts, network="reddit") == ["reddit.default"]
    assert unrouted(accounts, network="organic") == "organic"


def test_a_disabled_account_is_asked_only_for_what_names_its_network() -> None:
    off = an_account("tiktok", enabled=False)
    assert labels_of(sections(off), network="tiktok") == ["tiktok.default"]
    assert unrouted(sections(off), ttclid="E.C.P.abc") == "not_attributed"


def test_a_record_may_name_an_account_as_its_network_and_that_account_alone_gets_it() -> None:
    trackers = [
        msgspec.structs.replace(an_account("tiktok", name), section="trackers", is_network=True)
        for name in ("voluum_main", "voluum_eu")
    ]
    accounts = sections(*trackers, an_account("tiktok", "game_a"))
    assert labels_of(accounts, network="Voluum_Main") == ["trackers.voluum_main"]
    assert labels_of(accounts, network="voluum_eu", account="voluum_eu") == ["trackers.voluum_eu"]
    assert unrouted(accounts, network="voluum_eu", account="voluum_main") == "other_network"
    assert unrouted(accounts, network="game_a") == "other_network"


COLUMNS: dict[str, tuple[str | None, ...]] = {
    "network": (None, "reddit", "organic", "newspaper"),
    "ttclid": (None, "E.C.P.abc"),
    "rdt_cid": (None, "1"),
    "fbc": (None, "fb.1.1795000000000.IwAR1"),
    "landing_url": (None, "/?utm_source=reddit"),
    "account": ("default", None, "game_b"),
}


@pytest.mark.parametrize(
    "accounts",
    [
        {},
        BOTH,
        TWO_GAMES,
        sections(an_account("meta")),
        sections(an_account("meta"), an_account("tiktok", enabled=False)),
        sections(an_account("meta", send="all"), an_account("reddit")),
    ],
)
def test_conversions_are_routed_together_as_each_alone(accounts: Mapping[str, Sequence[Account]]) -> None:
    several = [dict(zip(COLUMNS, values, strict=True)) for values in product(*COLUMNS.values())]
    conversions = [a_conversion(**{"ttclid": None, **columns}) for columns in several]
    for size in (1, 2, 50, len(conversions)):
        for begin in range(0, len(conversions), size):
            block = conversions[begin : begin + size]
            alone = [or_skip(route, c, accounts, NAMES) for c in block]
            assert [*map(said, routed(block, accounts, NAMES))] == [*map(said, alone)]


def said(chosen: Sequence[Account] | Skip) -> tuple[str, ...]:
    return (chosen.reason, chosen.message) if isinstance(chosen, Skip) else tuple(account.label for account in chosen)
