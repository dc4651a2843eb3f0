"""The fixture ``adpostbacks_sandbox``. pytest loads this wherever we are installed: it imports nothing until used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from target_adpostbacks.sandbox.server import Sandbox


@pytest.fixture
def adpostbacks_sandbox() -> Iterator[Sandbox]:
    """A sandbox of the ad networks for one test: ``url``, ``received``, ``mistakes``, ``faults``; docs/sandbox.md."""
    try:
        from target_adpostbacks.sandbox.server import Sandbox
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "target_adpostbacks":
            raise
        pytest.fail("adpostbacks_sandbox needs its extra: pip install 'target-adpostbacks[sandbox]'", pytrace=False)
    with Sandbox() as sandbox:
        yield sandbox
