"""Charts as SVG, without script and without colours: these are the page's, light and dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pygal
from pygal.etree import etree

from target_adpostbacks.cli._output import printable

WIDE, NARROW = 860, 380
"""Widths in pixels; the narrow one is for phones, where the wide one's letters would be too small to read."""
MOST_BARS = 92
"""A bar for each day; of more, for each week."""
NS = "{http://www.w3.org/2000/svg}"
BAR_HEIGHT, FRAME_HEIGHT = 30, 50


LYING = (pygal.HorizontalBar, pygal.HorizontalStackedBar)


class Chart(NamedTuple):
    """What a chart shows: a series for each name, a number for each label."""

    title: str
    labels: Sequence[str]
    series: Mapping[str, Sequence[float]]
    unit: str = ""
    stacked: bool = True


def columns(chart: Chart) -> list[str]:
    """Upright bars, wide and narrow."""
    kind = pygal.StackedBar if chart.stacked else pygal.Bar
    return [_svg(kind, chart, width, 260, width // 75) for width in (WIDE, NARROW)]


def bars(chart: Chart) -> list[str]:
    """Lying bars, the first label on top, wide and narrow."""
    kind = pygal.HorizontalStackedBar if chart.stacked else pygal.HorizontalBar
    turned = chart._replace(
        labels=chart.labels[::-1], series={name: values[::-1] for name, values in chart.series.items()}
    )
    each = 1 if chart.stacked else len(chart.series) * 0.6
    height = FRAME_HEIGHT + round(BAR_HEIGHT * each * len(chart.labels))
    return [_svg(kind, turned, width, height, len(chart.labels)) for width in (WIDE, NARROW)]


def _svg(kind: Any, chart: Chart, width: int, height: int, most_labels: int) -> str:
    drawn = kind(
        width=width,
        height=height,
        no_prefix=True,
        js=[],
        css=[],
        show_legend=False,
        margin=8,
        margin_right=20,  # half of the last label stands there
        spacing=6,
        max_scale=6 if width == WIDE else 4,
        truncate_label=18,
        show_minor_x_labels=kind in LYING,
        value_formatter=lambda number: f"{number:,.0f}",
        style=pygal.style.Style(font_family="sans-serif", label_font_size=12, major_label_font_size=12),
    )
    drawn.x_labels = [*map(printable, chart.labels)]
    every = -(-len(chart.labels) // max(1, most_labels))
    drawn.x_labels_major = [*map(printable, chart.labels)][::-1][::every] if chart.labels else []
    for name, values in chart.series.items():
        drawn.add(printable(name), [*values])
    root = drawn.render_tree()
    _tidy(root, chart)
    root.set("class", "wide" if width == WIDE else "narrow")
    root.set("role", "img")
    root.set("aria-label", chart.title)
    root.attrib.pop("id", None)
    text: str = etree.tostring(root, encoding="unicode")
    return text


def _tidy(root: Any, chart: Chart) -> None:
    """Leave out scripts, styles and what these would show; each bar says what it is when a pointer rests on it."""
    names = [*map(printable, chart.series)]
    for child in [*root]:
        if not isinstance(child.tag, str) or child.tag in ("defs", "title"):
            root.remove(child)
    for place in root.iter("g"):
        kinds = (place.get("class") or "").split()
        if {"overlay", "text-overlay", "tooltip-overlay"} & {*kinds}:
            place.clear()
        for title in place.findall("title") if "guides" in kinds else ():
            place.remove(title)
    for number, name in enumerate(names):
        for series in root.iter("g"):
            if f"serie-{number}" in (series.get("class") or "").split():
                _label(series, name, chart.unit)


def _label(series: Any, name: str, unit: str) -> None:
    for bar in series.iter("g"):
        if bar.get("class") == "bar":
            told = {each.get("class"): each.text for each in bar.findall("desc")}
            for each in bar.findall("desc"):
                bar.remove(each)
            words = f"{told.get('x_label', '')}: {name} {told.get('value', '')} {unit}"
            etree.SubElement(bar, "title").text = words.strip()
