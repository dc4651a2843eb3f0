"""The pages of the source presets are as their data say."""

from __future__ import annotations

from pathlib import Path

import pytest
from source_documents import page

from target_adpostbacks.rules.sources import names

PAGES = Path(__file__).parent.parent.parent / "docs" / "sources"


@pytest.mark.parametrize("name", names())
def test_a_page_is_as_the_preset_says(name: str, request: pytest.FixtureRequest) -> None:
    file = PAGES / f"{name}.md"
    if request.config.getoption("--update-docs"):
        file.write_text(page(name))
    assert file.read_text() == page(name)


def test_there_is_no_page_without_a_preset() -> None:
    assert {file.stem for file in PAGES.glob("*.md")} == {*names()}
