"""The examples of docs/spark.md, each as it stands there; only the paths are those of the test."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs import Place, ids, purchases, received

from pyspark_adpostbacks.options import OF_SPARK, TO_WRITE
from target_adpostbacks.sandbox import Sandbox

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytest_plugins = ["cluster"]

PAGE = (Path(__file__).parent.parent.parent / "docs" / "spark.md").read_text()
BLOCKS = {name: block for block, name in re.findall(r"```python\n(# (\w+)\.py\n.*?)```", PAGE, re.DOTALL)}


def run(name: str, place: Place) -> dict[str, Any]:
    """What a block has made, by name."""
    block = BLOCKS[name].replace("/etc/adpostbacks/config.json", str(place.config))
    made: dict[str, Any] = {}
    exec(compile(block, name, "exec"), made)
    return made


def test_a_dataframe_is_sent(spark: SparkSession, place: Place, live_sandbox: Sandbox) -> None:
    purchases(spark, 3).createOrReplaceTempView("conversions")
    run("send_conversions", place)
    assert received(live_sandbox) == ids(3)


def test_the_page_has_every_option() -> None:
    told = {name for row in re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert told == TO_WRITE
    assert not TO_WRITE & OF_SPARK
