"""What a conversion's URLs say."""

from __future__ import annotations

import pytest

from target_adpostbacks.core.urls import query_value


@pytest.mark.parametrize(
    ("url", "value"),
    [
        ("https://a.example/?x=1&ttclid=E.C.P#top", "E.C.P"),
        ("https://a.example/?ttclid=a%2Fb%252Fc", "a/b%2Fc"),
        ("https://a.example/?ttclid=a+b", "a+b"),
        ("https://a.example/?ttclid=", None),
        ("https://a.example/?ttclid=&ttclid=__CLICKID__&ttclid=a&ttclid=b", "a"),
        ("/?ttclid=a", "a"),
        ("https://a.example/?ttclid=%20", None),
        ("https://a.example/?myttclid=1&ttclid2=2", None),
        ("https://a.example/#ttclid=1", None),
        ("https://a.example/ttclid=1", None),
        (None, None),
        ("", None),
        ("://[", None),
    ],
)
def test_a_click_id_is_read_from_a_urls_query(url: str | None, value: str | None) -> None:
    assert query_value(url, "ttclid") == value
