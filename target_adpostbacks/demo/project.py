"""The Meltano project of the demo: the repository's own, with the programs of this environment."""

from __future__ import annotations

import re
from pathlib import Path

PACKAGED = Path(__file__).with_name("meltano.yml")  # where the wheel has it
CHECKOUT = Path(__file__).parents[2] / "meltano.yml"


def project() -> str:
    """The text of its meltano.yml, whose plugins are installed already: none says from where."""
    path = PACKAGED if PACKAGED.exists() else CHECKOUT
    return re.sub(r" *pip_url: .*\n", "", path.read_text())
