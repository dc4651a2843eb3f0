"""Which rows of ad statistics count, where two streams tell of the same days, and in whose time zone their days are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from target_adpostbacks.core.performance.days import zone


class Told(Protocol):
    """What a row of statistics says of where it comes from."""

    @property
    def stream(self) -> str: ...
    @property
    def network(self) -> str: ...
    @property
    def account_id(self) -> str: ...
    @property
    def day(self) -> str: ...
    @property
    def campaign_id(self) -> str: ...
    @property
    def time_zone(self) -> str: ...
    @property
    def seq(self) -> int: ...


Row = TypeVar("Row", bound=Told)


def counted_once(rows: Sequence[Row], streams: Sequence[str] = ()) -> tuple[list[Row], dict[str, str]]:
    """The rows without those of days that a stream before theirs has, and each stream that lost some → that one.

    For each network, account and day, the stream counts that ``streams`` has first; those that it does not have come
    behind, by name. An account that a stream does not name may be any.
    """
    order = {stream: place for place, stream in enumerate(dict.fromkeys(streams))}
    accounts: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in rows:
        accounts[row.network, row.day][row.stream].add(row.account_id)
    kept: list[Row] = []
    lost: dict[str, str] = {}
    for row in rows:
        of_day = accounts[row.network, row.day]
        before = [
            stream
            for stream, named in of_day.items()
            if _place(stream, order) < _place(row.stream, order)
            and (not row.account_id or row.account_id in named or "" in named)
        ]
        if before:
            lost.setdefault(row.stream, min(before, key=lambda stream: _place(stream, order)))
        else:
            kept.append(row)
    return kept, lost


def _place(stream: str, order: Mapping[str, int]) -> tuple[int, str]:
    return order.get(stream, len(order)), stream


class Zones:
    """In whose time zone a conversion of ours is counted beside these rows.

    That of its campaign's newest row; where the campaign has none, that of the network if all its rows share one; else
    ``otherwise``. An empty name is UTC, which nobody said.
    """

    def __init__(self, rows: Iterable[Told], otherwise: str) -> None:
        newest: dict[tuple[str, str], tuple[str, int, str]] = {}
        of_networks: dict[str, set[str]] = defaultdict(set)
        for row in rows:
            name = row.time_zone if zone(row.time_zone) else ""
            campaign = row.network, row.campaign_id
            newest[campaign] = max(newest.get(campaign, ("", -1, "")), (row.day, row.seq, name))
            of_networks[row.network].add(name)
        self._of_campaigns = {campaign: name for campaign, (_, _, name) in newest.items() if campaign[1]}
        self._of_networks = {network: names.pop() for network, names in of_networks.items() if len(names) == 1}
        self._otherwise = otherwise

    def of(self, network: str, campaign_id: str) -> str:
        """The zone's name."""
        of_campaign = self._of_campaigns.get((network, campaign_id)) if campaign_id else None
        return self._of_networks.get(network, self._otherwise) if of_campaign is None else of_campaign
