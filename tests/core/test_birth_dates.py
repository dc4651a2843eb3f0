"""Birth dates: every form that is read, and what is none."""

from __future__ import annotations

import pytest

from target_adpostbacks.core.birth_dates import date_of_birth


@pytest.mark.parametrize(
    ("raw", "normalized"),
    [
        *((form, "19970216") for form in ("1997-02-16", "19970216", "2/16/1997", "02/16/1997", " 1997-02-16 ")),
        *((form, "19970216") for form in ("1997-02-16T00:00:00Z", "1997-02-16 08:30:00")),
        *(
            (form, None)
            for form in ("1997-13-45", "16/2/1997", "1997", "unknown", "", "1997-02-1", "2/16", "1/2/3/1997")
        ),
        *((form, None) for form in ("2/16/97", "19971345", "1997-02-16x", "1997-W07-7", "//1997", "16.2.1997")),
    ],
)
def test_date_of_birth(raw: str, normalized: str | None) -> None:
    assert date_of_birth(raw) == normalized
