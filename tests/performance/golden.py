"""A worked example of spend beside conversions, worked by hand: what taps bring, and what the ledger has of our own.

TikTok's account is in Los Angeles, where the clocks go back on the first of the two days; Meta's is in Berlin.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from ledger_rows import a_row

from target_adpostbacks.core.performance.counting import Window
from target_adpostbacks.ledger import Delivered

WINDOW = Window(date(2026, 11, 1), date(2026, 11, 2))
TODAY = date(2026, 11, 4)

PERFORMANCE: dict[str, dict[str, Any]] = {
    "ad_insights": {"preset": "tap-tiktok-ads", "currency": "USD", "time_zone": "America/Los_Angeles"},
    "reports": {"preset": "tap-redditads", "currency": "USD"},
    "adsinsights_default": {"preset": "tap-facebook", "time_zone": "Europe/Berlin"},
}


def _tiktok(day: int, campaign: str, ad: str, *figures: Any) -> tuple[str, dict[str, Any]]:
    spend, impressions, clicks, conversions = figures
    names = {"campaign_id": campaign, "ad_id": ad, "stat_time_day": f"2026-11-0{day} 00:00:00", "spend": spend}
    figures_of = {"impressions": impressions, "clicks": clicks, "real_time_conversion": conversions}
    return "ad_insights", names | {name: str(figure) for name, figure in figures_of.items()}


SPEND: Sequence[tuple[str, dict[str, Any]]] = (
    _tiktok(1, "111", "A1", "60.00", 12_000, 240, 5),
    _tiktok(1, "111", "A2", "40.00", 8_000, 160, 4),
    _tiktok(2, "111", "A1", "95.00", 19_000, 380, 6),
    _tiktok(2, "111", "A1", "100.00", 20_000, 400, 7),  # restates the one before
    _tiktok(2, "222", "B1", "50.00", 10_000, 100, 3),
    (
        "reports",
        {
            "campaign_id": "r9",
            "date": "2026-11-01",
            "spend": 30_000_000,
            "impressions": 15_000,
            "clicks": 0,
            "conversion_purchase_clicks": 0,
            "conversion_purchase_total_value": 1200,
        },
    ),
    (
        "adsinsights_default",
        {"campaign_id": "333", "account_currency": "EUR", "date_start": "2026-11-02", "spend": "0", "impressions": "0"}
        | {"clicks": "0"},
    ),
)
"""Rows in order of arrival: their stream, and the record of its tap."""


def own() -> list[Delivered]:
    """Our conversions, all of them accepted."""
    made: list[Delivered] = []

    def add(count: int, event: str, time: str, network: str, campaign: str | None, *money: Any) -> None:
        value, currency = money or (None, None)
        first = len(made)
        made.extend(
            a_row(
                f"evt-{first + number}",
                network=network,
                asset=f"asset of {network}",
                event_name=event,
                event_time=f"2026-11-{time}.000+00:00",
                campaign_id=campaign,
                value=value,
                currency=currency,
            )
            for number in range(count)
        )

    add(19, "install", "01T20:00:00", "tiktok", "111")
    add(1, "install", "03T07:30:00", "tiktok", "111")  # 23:30 of the second day in Los Angeles: in
    add(1, "install", "01T06:30:00", "tiktok", "111")  # 23:30 of the day before there: out
    add(10, "purchase", "01T20:00:00", "tiktok", "111", 34.0, "USD")
    add(1, "purchase", "01T20:00:00", "tiktok", "111", 25.0, "EUR")
    add(1, "install", "02T12:00:00", "tiktok", None)
    add(1, "install", "02T10:00:00", "meta", "333")
    add(1, "install", "02T22:59:59", "meta", "333")  # the last second of the day in Berlin: in
    add(1, "install", "02T23:00:00", "meta", "333")  # out
    add(1, "purchase", "02T10:00:00", "meta", "333", 20.0, "EUR")
    return made


ROWS: Sequence[dict[str, Any]] = (
    {
        "network": "tiktok",
        "campaign_id": "111",
        "currency": "USD",
        "spend": 200,
        "impressions": 40_000,
        "cpm": 5,
        "clicks": 800,
        "cpc": 0.25,
        "ctr": 0.02,
        "conversions_ours": 20,
        "conversions_network": 16,
        "conversions_used": 20,
        "conversions_source": "ours",
        "cpa": 10,
        "ipm": 0.5,
        "cti": 0.025,
        "revenue_ours": 340,
        "revenue_network": None,
        "revenue_used": 340,
        "revenue_source": "ours",
        "roas": 1.7,
        "revenue_other": {"EUR": 25},
    },
    {
        "network": "tiktok",
        "campaign_id": "222",
        "currency": "USD",
        "spend": 50,
        "impressions": 10_000,
        "cpm": 5,
        "clicks": 100,
        "cpc": 0.5,
        "ctr": 0.01,
        "conversions_ours": 0,
        "conversions_network": 3,
        "conversions_used": 3,
        "conversions_source": "network",
        "cpa": 16.666667,
        "ipm": 0.3,
        "cti": 0.03,
        "revenue_ours": 0,
        "revenue_network": None,
        "revenue_used": 0,
        "revenue_source": "ours",
        "roas": 0,
        "revenue_other": None,
    },
    {
        "network": "reddit",
        "campaign_id": "r9",
        "currency": "USD",
        "spend": 30,
        "impressions": 15_000,
        "cpm": 2,
        "clicks": 0,
        "cpc": None,
        "ctr": 0,
        "conversions_ours": 0,
        "conversions_network": 0,
        "conversions_used": 0,
        "conversions_source": "network",
        "cpa": None,
        "ipm": 0,
        "cti": None,
        "revenue_ours": 0,
        "revenue_network": 12,
        "revenue_used": 12,
        "revenue_source": "network",
        "roas": 0.4,
        "revenue_other": None,
    },
    {
        "network": "tiktok",
        "campaign_id": None,
        "currency": "USD",
        "spend": None,
        "impressions": None,
        "cpm": None,
        "clicks": None,
        "cpc": None,
        "ctr": None,
        "conversions_ours": 1,
        "conversions_network": None,
        "conversions_used": 1,
        "conversions_source": "ours",
        "cpa": None,
        "ipm": None,
        "cti": None,
        "revenue_ours": 0,
        "revenue_network": None,
        "revenue_used": 0,
        "revenue_source": "ours",
        "roas": None,
        "revenue_other": None,
    },
    {
        "network": "total",
        "campaign_id": None,
        "currency": "USD",
        "spend": 280,
        "impressions": 65_000,
        "cpm": 4.307692,
        "clicks": 900,
        "cpc": 0.311111,
        "ctr": 0.013846,
        "conversions_ours": 21,
        "conversions_network": 19,
        "conversions_used": 24,
        "conversions_source": "mixed",
        "cpa": 11.666667,
        "ipm": 0.369231,
        "cti": 0.026667,
        "revenue_ours": 340,
        "revenue_network": 12,
        "revenue_used": 352,
        "revenue_source": "mixed",
        "roas": 1.257143,
        "revenue_other": {"EUR": 25},
    },
    {
        "network": "meta",
        "campaign_id": "333",
        "currency": "EUR",
        "spend": 0,
        "impressions": 0,
        "cpm": None,
        "clicks": 0,
        "cpc": None,
        "ctr": None,
        "conversions_ours": 2,
        "conversions_network": None,
        "conversions_used": 2,
        "conversions_source": "ours",
        "cpa": 0,
        "ipm": None,
        "cti": None,
        "revenue_ours": 20,
        "revenue_network": None,
        "revenue_used": 20,
        "revenue_source": "ours",
        "roas": None,
        "revenue_other": None,
    },
    {
        "network": "total",
        "campaign_id": None,
        "currency": "EUR",
        "spend": 0,
        "impressions": 0,
        "cpm": None,
        "clicks": 0,
        "cpc": None,
        "ctr": None,
        "conversions_ours": 2,
        "conversions_network": None,
        "conversions_used": 2,
        "conversions_source": "ours",
        "cpa": 0,
        "ipm": None,
        "cti": None,
        "revenue_ours": 20,
        "revenue_network": None,
        "revenue_used": 20,
        "revenue_source": "ours",
        "roas": None,
        "revenue_other": None,
    },
)
"""The table by campaign."""
