"""How many conversions of each network and event have what it matches by, and which missing column would add most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from target_adpostbacks.core import match_keys as keys
from target_adpostbacks.core import phones
from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.answers import Skip
from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.network import Network
from target_adpostbacks.core.settings import PhoneSettings
from target_adpostbacks.doctor.case import Case

GROUPS = ("click_id", "email", "phone", "ip_and_user_agent")
MOST_ROWS = 500
OTHERS = "(others)"
"""Where further events are counted: their names come from the data."""


class Missing(msgspec.Struct, frozen=True):
    """A column that would add most: conversions without it, and how many of them nothing else could match."""

    column: str
    count: int
    unmatched: int


class Row(msgspec.Struct, frozen=True):
    """One network's conversions of one event: how many have what. ``network`` is None for those that are for none."""

    network: str | None
    event: str
    count: int
    click_id: int
    email: int
    phone: int
    ip_and_user_agent: int
    unmatched: int
    add: Missing | None


class _Cell:
    def __init__(self) -> None:
        self.count = self.unmatched = 0
        self.present: Counter[str] = Counter()
        self.missing: Counter[str] = Counter()  # column → conversions without it, of a network that takes it
        self.rescued: Counter[str] = Counter()  # column → of these, unmatched ones that it alone would do for


class Coverage:
    """Counts conversions by network and event."""

    def __init__(self) -> None:
        self._cells: dict[tuple[str, str], _Cell] = {}
        self._taken: dict[tuple[str, str], frozenset[str]] = {}

    def see(self, case: Case) -> None:
        """Count a record, once for each network that it is for."""
        c = case.conversion
        if c is None:
            return
        if not case.accounts and any(case.not_sent("not_attributed")):
            cell = self._cell("", c.event_name)
            cell.count += 1
            cell.present.update(_of_person(c, phones.e164))
            return
        unmatched = {(each.key.network, each.account) for each in case.not_sent("no_match_key")}
        seen = set()
        for account in case.accounts:
            if account.network and account.section not in seen:
                seen.add(account.section)
                is_unmatched = (account.section, account.name) in unmatched
                self._count(self._cell(account.section, c.event_name), c, account, is_unmatched=is_unmatched)

    def _cell(self, network: str, event: str) -> _Cell:
        cell = self._cells.get((network, event))
        if cell is None:
            name = event if len(self._cells) < MOST_ROWS and event.isprintable() else OTHERS
            cell = self._cells.setdefault((network, name), _Cell())
        return cell

    def _count(self, cell: _Cell, c: Conversion, account: Account, *, is_unmatched: bool) -> None:
        network = account.network
        assert network is not None  # noqa: S101 - the caller has asked
        present = _present(c, network)
        cell.count += 1
        cell.unmatched += is_unmatched
        cell.present.update(present)
        for group in self._groups_taken(account, c):
            if group in present:
                continue
            column = _column(group, c, network)
            cell.missing[column] += 1
            if is_unmatched and _keys(network, _with(c, network, group)):
                cell.rescued[column] += 1

    def _groups_taken(self, account: Account, c: Conversion) -> frozenset[str]:
        """What the network takes from conversions of this kind of source."""
        key = account.label, c.event_source
        if key not in self._taken:
            network = account.network
            assert network is not None  # noqa: S101
            whole = _anyone(c)
            for group in GROUPS:
                whole = _with(whole, network, group)
            all_keys = _keys(network, whole)
            if not all_keys:
                return frozenset(GROUPS)
            taken = (group for group in GROUPS if _keys(network, _without(whole, group)) != all_keys)
            self._taken[key] = frozenset(taken)
        return self._taken[key]

    def rows(self) -> list[Row]:
        """By network and event, the most frequent first."""
        order = sorted(self._cells.items(), key=lambda each: (each[0][0], -each[1].count, each[0][1]))
        return [
            Row(
                network=network or None,
                event=event,
                count=cell.count,
                **{group: cell.present[group] for group in GROUPS},
                unmatched=cell.unmatched,
                add=_best(cell),
            )
            for (network, event), cell in order
        ]


def _best(cell: _Cell) -> Missing | None:
    if not cell.missing:
        return None
    column = max(cell.missing, key=lambda name: (cell.rescued[name], cell.missing[name]))
    return Missing(column, cell.missing[column], cell.rescued[column])


def _present(c: Conversion, network: Network[Any]) -> set[str]:
    codes = network.settings.country_codes(c.country) if isinstance(network.settings, PhoneSettings) else ()
    present = _of_person(c, network.phone, codes)
    if network.click_id(c) is not None:
        present.add("click_id")
    return present


def _of_person(c: Conversion, read_phone: Callable[..., str | None], *codes: Any) -> set[str]:
    present = set()
    if any(keys.hashed(raw, keys.email) for raw in c.email):
        present.add("email")
    if any(keys.hashed(raw, read_phone, *codes) for raw in c.phone):
        present.add("phone")
    if c.user_agent and _has_address(c):
        present.add("ip_and_user_agent")
    return present


def _has_address(c: Conversion) -> bool:
    return c.ip_address is not None and (keys.is_hash(c.ip_address) or keys.public_ip(c.ip_address) is not None)


def _column(group: str, c: Conversion, network: Network[Any]) -> str:
    """The column of a group that is missing."""
    if group == "click_id":
        return network.click_ids[0]
    if group == "ip_and_user_agent":
        return "user_agent" if _has_address(c) else "ip_address"
    return group


def _with(c: Conversion, network: Network[Any], group: str) -> Conversion:
    """The conversion with a value in the columns of a group."""
    columns: Mapping[str, Mapping[str, Any]] = {
        "click_id": {"ids": {**c.ids, network.click_ids[0]: network.click_id_example}},
        "email": {"email": ("ada@example.com",)},
        "phone": {"phone": ("+14155550100",)},
        "ip_and_user_agent": {"ip_address": "203.0.113.7", "user_agent": c.user_agent or "Mozilla/5.0"},
    }
    return msgspec.structs.replace(c, **columns[group])


def _anyone(c: Conversion) -> Conversion:
    """A conversion of the same event and source that lacks nothing but match keys."""
    return Conversion(
        event_name=c.event_name,
        event_spelling=c.event_spelling,
        event_id="1",
        event_time=c.event_time,
        event_source=c.event_source,
        value=1,
        currency="USD",
        platform="android",
        app_id="1",
        lead_id="1234567890123456",
    )


def _without(c: Conversion, group: str) -> Conversion:
    columns: Mapping[str, Mapping[str, Any]] = {
        "click_id": {"ids": {}},
        "email": {"email": ()},
        "phone": {"phone": ()},
        "ip_and_user_agent": {"ip_address": None, "user_agent": None},
    }
    return msgspec.structs.replace(c, **columns[group])


def _keys(network: Network[Any], c: Conversion) -> frozenset[str]:
    """The match keys that the network would get; none where it would get nothing."""
    try:
        return frozenset(network.match_keys(network.payload(c)))
    except (Skip, ValueError, RecursionError):
        return frozenset()
