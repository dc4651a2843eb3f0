"""Birth dates: every form that is read, and what is none."""

from __future__ import annotations

import pytest

from target_adpostbacks.core.birth_dates import date_of_birth


@pytest.mark.parametrize(
    "raw",
    [
        *("1997-02-16", "1997-2-16", "1997/02/16", "1997.02.16", "1997 02 16", "1997_02_16", "1997, 2, 16"),
        *("1997年2月16日", "1997년 2월 16일", "1997. 2. 16.", "19970216", "19970216.0", " 1997-02-16 "),
        *("1997-02-16T00:00:00Z", "1997-02-16 08:30:00", "1997/2/16 0:00", "1997-02-16t08:30:00.123+02:00"),
        *("19970216T000000Z", "19970216 00:00:00", "1997-02-16Z", "1997-02-16+02:00", "1997-02-16 00:00:00 UTC"),
        *("2/16/1997", "02/16/1997", "2/16/1997 12:00:00 AM", "2/16/1997, 12:00:00", "02-16-1997", "2.16.1997"),
        *("16/2/1997", "16/02/1997 00:00", "16-02-1997", "16-2-1997", "16 02 1997", "1997-16-02"),
        *("16.02.1997", "16.2.1997", "16. 2. 1997", "16.02.1997 00:00:00", "16.02.1997,00:00"),
        *("１９９７－０２－１６", "١٩٩٧-٠٢-١٦", "1997−02−16", "1997‑02‑16", "1997-02-16.0"),
    ],
)
def test_a_date_of_birth_in_any_form_is_read(raw: str) -> None:
    assert date_of_birth(raw, 2026) == "19970216"


@pytest.mark.parametrize(
    ("raw", "normalized"),
    [
        ("05/03/1995", "19950503"),  # with slashes the month comes first
        ("05.03.1995", "19950305"),  # with dots the day
        ("05-03-1995", None),  # with dashes nobody knows
        ("05 03 1995", None),
        ("05-05-1995", "19950505"),
        ("1995-05-03", "19950503"),
        ("1995/05/03", "19950503"),
        ("1995.05.03", "19950503"),
        ("13/12/1995", "19951213"),
        ("12/13/1995", "19951213"),
    ],
)
def test_a_part_above_12_is_the_day_and_separators_tell_where_none_is(raw: str, normalized: str | None) -> None:
    assert date_of_birth(raw, 2026) == normalized


@pytest.mark.parametrize(
    "raw",
    [
        *("1997-13-45", "13/13/1997", "1997", "unknown", "", "2/16", "1/2/3/1997", "2/16/97", "19971345"),
        *("1997-02-16x", "1997-W07-7", "//1997", "1997-02-30", "29.02.1997", "1997-02-16-1", "1997-002-16"),
        *("856051200", "1997021", "199702160", "12345678", "1997-02-16" + " " * 200_000 + "08:30", "²1997-02-16"),
    ],
    ids=lambda raw: raw[:20],
)
def test_what_is_no_date_is_none(raw: str) -> None:
    assert date_of_birth(raw, 2026) is None


def test_nobody_was_born_before_1900_or_after_the_event() -> None:
    assert [date_of_birth(raw, 2026) for raw in ("1899-12-31", "0001-01-01", "2027-01-01", "9999-12-31")] == [None] * 4
    assert date_of_birth("1900-01-01", 2026) == "19000101"
    assert date_of_birth("2026-11-20", 2026) == "20261120"
    assert date_of_birth("2026-11-20", 2025) is None
