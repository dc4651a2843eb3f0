import json
import re
from pathlib import Path

import pytest

from target_adpostbacks.sandbox.faults import script
from target_adpostbacks.sandbox.networks import SANDBOX_NETWORKS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "sandbox.md").read_text("utf-8")
RULE = json.loads((ROOT / "target_adpostbacks/sandbox/faults.json").read_text("utf-8"))["definitions"]["rule"]


@pytest.mark.parametrize(
    "name", [*RULE["properties"], *(name for network in SANDBOX_NETWORKS.values() for name in network.errors)]
)
def test_the_page_names_every_effect_and_every_error(name: str) -> None:
    assert f"`{name}`" in PAGE or f'"{name}"' in PAGE


def test_the_faults_on_the_page_can_be_read() -> None:
    files = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
    scripts = [script(content) for content in files if isinstance(content, list) or "faults" in content]
    assert [len(read.faults) for read in scripts] == [3, 0]
