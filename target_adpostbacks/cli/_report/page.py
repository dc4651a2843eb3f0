"""Makes one page of the figures: everything is in it, nothing is loaded, and what it shows is escaped."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from target_adpostbacks.cli._output import as_json, printable
from target_adpostbacks.cli._performance import cells, heads
from target_adpostbacks.cli._report import charts
from target_adpostbacks.cli._report.charts import Chart
from target_adpostbacks.cli._report.figures import Figures
from target_adpostbacks.cli.reconcile import explanation, number
from target_adpostbacks.core.money import money
from target_adpostbacks.core.performance.counting import Counting
from target_adpostbacks.core.performance.rows import row_of
from target_adpostbacks.core.reasons import STATUSES
from target_adpostbacks.core.reconciliation import Row, Sum
from target_adpostbacks.networks import NETWORKS

FOLDER = Path(__file__).parent
MOST_CURRENCIES = 4
"""That have a chart."""
WEEK = 7


def page(figures: Figures) -> str:
    """The HTML."""
    script = (FOLDER / "page.js").read_text("utf-8")
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    environment.filters |= {"money": _moneys, "title": _title, "day": _day, "marked": _marked}
    environment.filters |= {"cells": lambda row: cells(row_of(row), "campaign")}
    environment.filters |= {"explained": _explained, "number": number, "unbroken": _unbroken}
    environment.filters["time"] = _Zone(figures["timezone"]).time
    return environment.get_template("page.html").render(
        **figures,
        statuses=STATUSES,
        spend_heads=heads(Counting(conversions=figures["performance"]["conversions"]), "campaign"),
        whys=_by_reason(figures["reasons"]),
        sent=sum(total["conversions"] for total in figures["totals"] if total["status"] in ("accepted", "rejected")),
        charts={name: [*map(Markup, drawn)] for name, drawn in _charts(figures)},
        style=Markup((FOLDER / "page.css").read_text("utf-8")),  # noqa: S704 - ours
        script=Markup(script),  # noqa: S704 - ours
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        data=Markup(_inert(_logged(figures))),  # noqa: S704 - escaped
    )


def _logged(figures: Figures) -> dict[str, Any]:
    """What the script reads."""
    titles = {name: network.title for name, network in NETWORKS.items()}
    return {"titles": titles, **{name: figures[name] for name in ("made_at", "timezone", "log")}}


def _inert(data: Any) -> str:
    """JSON that ends no element of the page around it, whatever its texts hold."""
    return as_json(data).replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")


def _charts(figures: Figures) -> Iterator[tuple[str, list[str]]]:
    days = figures["days"]
    spans = [days[start : start + _step(days)] for start in range(0, len(days), _step(days))]
    labels = [_day(span[0]["day"], year=False) for span in spans]
    each = "day" if _step(days) == 1 else "week"
    if any(day[status] for day in days for status in STATUSES):
        series = {status: [sum(day[status] for day in span) for span in spans] for status in STATUSES}
        yield "days", charts.columns(Chart(f"Conversions by {each} and status", labels, series))
    for currency in _currencies(figures):
        values = [sum(day["accepted_money"].get(currency, 0) for day in span) for span in spans]
        title = f"Accepted value by {each} in {currency}"
        yield f"money {currency}", charts.columns(Chart(title, labels, {"accepted": values}, currency))
    networks = _by_network(figures)
    if networks:
        series = {status: [counts[status] for counts in networks.values()] for status in STATUSES}
        yield "networks", charts.bars(Chart("Conversions by network and status", [*networks], series))
    yield from _of_spend(figures)
    if latency := figures["latency"]:
        series = {name: [row[f"{name}_ms"] for row in latency] for name in ("p50", "p95")}
        names = [_title(row["network"]) for row in latency]
        yield "latency", charts.bars(Chart("Latency of requests by network", names, series, "ms", stacked=False))


def _of_spend(figures: Figures) -> Iterator[tuple[str, list[str]]]:
    """Spend and revenue by day, in the currencies that are spent most often."""
    rows, days = figures["performance"]["days"], figures["days"]
    spans = [days[start : start + _step(days)] for start in range(0, len(days), _step(days))]
    labels = [_day(span[0]["day"], year=False) for span in spans]
    currencies = Counter(row["currency"] for row in rows if row["spend"] is not None)
    for currency, _ in currencies.most_common(MOST_CURRENCIES):
        of = {row["day"]: row for row in rows if row["currency"] == currency}
        series = {
            word: [sum(of.get(day["day"], {}).get(name) or 0 for day in span) for span in spans]
            for word, name in (("Spend", "spend"), ("Revenue", "revenue_used"))
        }
        title = f"Spend and revenue by {'day' if _step(days) == 1 else 'week'} in {currency}"
        yield f"spend {currency}", charts.columns(Chart(title, labels, series, currency, stacked=False))


def _step(days: list[Any]) -> int:
    return 1 if len(days) <= charts.MOST_BARS else WEEK


def _currencies(figures: Figures) -> list[str]:
    accepted = next(total for total in figures["totals"] if total["status"] == "accepted")
    return [*accepted["money"]][:MOST_CURRENCIES]


def _by_network(figures: Figures) -> dict[str, dict[str, int]]:
    networks: dict[str, dict[str, int]] = {}
    for account in figures["accounts"]:
        counts = networks.setdefault(_title(account["network"]), dict.fromkeys(STATUSES, 0))
        for status in STATUSES:
            counts[status] += account[status]
    return networks


def _title(network: str) -> str:
    known = NETWORKS.get(network)
    return known.title if known else network or "no network"


def _by_reason(reasons: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row for what is alike but for its network, the most frequent first, with the ``networks`` and their counts."""
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in reasons:
        alike = tuple(row[name] for name in ("status", "reason", "code", "message", "advice"))
        groups.setdefault(alike, []).append(row)
    whys = [
        {
            **those[0],
            "conversions": sum(row["conversions"] for row in those),
            "money": {
                currency: sum(row["money"].get(currency, 0) for row in those)
                for currency in dict.fromkeys(currency for row in those for currency in row["money"])
            },
            "networks": {_title(row["network"]): row["conversions"] for row in those},
        }
        for those in groups.values()
    ]
    return sorted(whys, key=lambda why: -why["conversions"])


def _explained(row: Mapping[str, Any]) -> list[str]:
    return [*explanation(Row(**row) if "day" in row else Sum(**row))]


def _unbroken(text: str) -> Markup:
    """Amounts side by side, ``1.00 / 2.00 + 3.00 EUR``, in lines that end between one and the next."""
    return Markup(" ").join(
        Markup('<span class="whole">{}</span>').format(each) for each in re.split(r"(?<=/) | (?=\+)", text)
    )


def _moneys(amounts: Mapping[str, float]) -> list[str]:
    return [f"{money(value, currency)} {currency}" for currency, value in sorted(amounts.items())]


def _marked(text: str) -> Markup:
    """A text of ours as HTML: what stands in backticks is code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(printable(text)))))  # noqa: S704 - escaped


def _day(text: str, *, year: bool = True) -> str:
    day = date.fromisoformat(text)
    return f"{day.day} {day:%b}{f' {day.year}' if year else ''}"


class _Zone:
    def __init__(self, name: str) -> None:
        self._zone = ZoneInfo(name)

    def time(self, text: str | None) -> str:
        """``'2026-11-20 13:05'``, as the clocks of the report's time zone show it."""
        return f"{datetime.fromisoformat(text).astimezone(self._zone):%Y-%m-%d %H:%M}" if text else "–"
