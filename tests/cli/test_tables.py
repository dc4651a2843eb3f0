"""The delivery log as a table: fitted to any terminal, a line each in a pipe."""

from __future__ import annotations

from typing import Any

import pytest
from rich.cells import cell_len

from target_adpostbacks.cli._tables import Layout
from target_adpostbacks.ledger import Line

TIME = "2026-11-20T12:05:01.000+00:00"


def a_line(**changes: Any) -> Line:
    line = Line(TIME, "purchase", "Success", 200, 118, 1, "tiktok", "default", "evt_9f1c2d", "", "0", "")
    return line._replace(**changes)


def shown(*lines: Line, width: int | None) -> list[str]:
    return [*Layout(lines, width, colored=False).rows(lines)]


AWKWARD = [
    a_line(),
    a_line(event="complete_registration", account="game_europe", event_id="0d9c2a4e-5b64-4f8b-9a51-3d1b2a7c9e01"),
    a_line(status="Failed", code="40002", message="Invalid value for parameter data[0].properties.currency " * 3),
    a_line(status="Skipped", network="", account="", http_status=None, latency_ms=None, attempt=None, reason="organic"),
    a_line(event_id="注文" * 30, event="購入", status="Open", reason="transient", latency_ms=30_001),
    a_line(event_id="evt\x1b[2J\r\n"),
]


@pytest.mark.parametrize("width", [80, 100, 119, 120, 160, 250])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    found = shown(*AWKWARD, width=width)
    assert max(map(cell_len, found)) <= width
    assert all(text.isprintable() for text in found)


@pytest.mark.parametrize("width", [80, 100, 120, 160, None])
def test_columns_stand_under_their_heads(width: int | None) -> None:
    head, *found = shown(*AWKWARD[:2], width=width)
    for name, cell in (("Status", "Success"), ("Event ", "purchase")):
        line = next(each for each in found if "purchase" in each)
        assert line.index(cell) == head.index(name)


def test_at_80_columns_a_line_fits_and_the_day_stands_above() -> None:
    assert shown(a_line(), a_line(time="2026-11-21T00:00:01.000+00:00"), width=80) == [
        "Time      Event     Status   HTTP   ms  Try  Account  Event id    Reason",
        "2026-11-20 (UTC)",
        "12:05:01  purchase  Success   200  118    1  tiktok   evt_9f1c2d",
        "2026-11-21 (UTC)",
        "00:00:01  purchase  Success   200  118    1  tiktok   evt_9f1c2d",
    ]


def test_a_reason_without_room_beside_its_line_stands_below_it() -> None:
    refused = a_line(status="Failed", code="40002", message="Invalid value for parameter currency.")
    assert shown(refused, width=80)[2:] == [
        "12:05:01  purchase  Failed    200  118    1  tiktok   evt_9f1c2d",
        "          40002: Invalid value for parameter currency.",
    ]
    (line,) = shown(refused, width=160)[1:]
    assert line.endswith("evt_9f1c2d  40002: Invalid value for parameter currency.")


def test_a_cut_id_keeps_its_end() -> None:
    (line,) = [line for line in shown(a_line(event_id=f"{'x' * 60}-42"), width=80) if "tiktok" in line]
    assert line.endswith("xxx-42")
    assert "…" in line


def test_a_line_without_a_reason_has_none_below_it() -> None:
    taken = a_line(event_id="evt_" + "x" * 60)
    assert len(shown(taken, width=80)[2:]) == 1


def test_in_a_pipe_one_long_id_moves_its_own_line_alone() -> None:
    uuid, invalid = "0d9c2a4e-5b64-4f8b-9a51-3d1b2a7c9e01", "conversions:" + "0f" * 32
    refused = {"status": "Failed", "message": "no"}
    head, first, second = shown(a_line(event_id=uuid, **refused), a_line(event_id=invalid, **refused), width=None)
    assert first.index("0: no") == head.index("Reason") == second.index(invalid) + 42
    assert second.endswith(f"{invalid}  0: no")
