"""What helps to build a payload."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_adpostbacks.core.payloads import decimal_text


@given(st.floats(0, 1e15) | st.integers(0, 10**15))
def test_a_number_as_text_is_plain_and_the_same_number(number: float) -> None:
    text = decimal_text(number)
    assert set(text) <= {*"0123456789."}
    assert float(text) == float(number)


@pytest.mark.parametrize(
    ("number", "text"), [(27.5, "27.5"), (2000.0, "2000"), (0, "0"), (1e-05, "0.00001"), (1e17, "100000000000000000")]
)
def test_a_number_as_text_has_no_more_digits_than_it_needs(number: float, text: str) -> None:
    assert decimal_text(number) == text
