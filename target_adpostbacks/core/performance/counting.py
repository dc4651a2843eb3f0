"""What is counted beside spend, and on which days."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Literal, NamedTuple

import msgspec

By = Literal["conversion", "click"]


class Counting(msgspec.Struct, frozen=True, kw_only=True):
    """What the setting ``report`` says, events by their canonical names."""

    conversions: Sequence[str] = ("install",)
    revenue: Sequence[str] = ("purchase", "subscribe")
    window_days: int = 30
    by: By = "conversion"  # on whose day a conversion counts: its own, or its click's

    @property
    def events(self) -> tuple[str, ...]:
        """All of them, each once."""
        return tuple(dict.fromkeys((*self.conversions, *self.revenue)))


class Window(msgspec.Struct, frozen=True):
    """Days, both ends in, as each ad account's time zone has them."""

    since: date
    until: date

    @property
    def around(self) -> tuple[str, str]:
        """Times in UTC, as the ledger writes them, between which these days lie in whatever zone; the second is out."""
        return (self.since - timedelta(days=1)).isoformat(), (self.until + timedelta(days=2)).isoformat()

    def has(self, day: str) -> bool:
        """Whether that day is one of them."""
        return self.since.isoformat() <= day <= self.until.isoformat()


class Spend(NamedTuple):
    """What a campaign cost and brought on one day, as one stream says. Money and conversions in millionths."""

    stream: str
    network: str
    account_id: str
    day: str
    campaign_id: str
    campaign_name: str | None
    currency: str
    time_zone: str
    spend: int
    impressions: int | None
    clicks: int | None
    conversions: int | None
    value: int | None
    extracted_at: str  # of the newest row
    seq: int  # of the newest row


class Own(NamedTuple):
    """Conversions of ours that are alike, and happened in the same quarter of an hour. Values in millionths."""

    network: str
    campaign_id: str  # empty: not known
    event: str
    currency: str | None
    hour: str  # in UTC: "2026-11-01T20"
    quarter: int
    conversions: int
    delivered: int  # that the network accepted
    value: int
    value_delivered: int
    without_click_time: int  # counted on the day of the event, though the click's was asked for
