"""The examples of docs/spark.md, each as it stands there; only the paths are those of the test."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs import Place, ids, purchases, received

from pyspark_adpostbacks.options import TO_READ, TO_WRITE
from target_adpostbacks.sandbox import Sandbox

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytest_plugins = ["cluster"]

PAGE = (Path(__file__).parent.parent.parent / "docs" / "spark.md").read_text()
BLOCKS = {name: block for block, name in re.findall(r"```python\n(# (\w+)\.py\n.*?)```", PAGE, re.DOTALL)}


def run(name: str, place: Place) -> dict[str, Any]:
    """What a block has made, by name."""
    block = BLOCKS[name].replace("/etc/adpostbacks/config.json", str(place.config))
    block = block.replace("/checkpoints/adpostbacks", f"{place.folder}/checkpoint")
    made: dict[str, Any] = {}
    exec(compile(block, name, "exec"), made)
    return made


def test_a_dataframe_is_sent(spark: SparkSession, place: Place, live_sandbox: Sandbox) -> None:
    purchases(spark, 3).createOrReplaceTempView("conversions")
    run("send_conversions", place)
    assert received(live_sandbox) == ids(3)


def test_a_stream_is_sent_and_the_ledger_is_read(spark: SparkSession, place: Place, live_sandbox: Sandbox) -> None:
    purchases(spark, 3).write.saveAsTable("orders", path=f"{place.folder}/orders")
    run("stream_conversions", place)
    assert received(live_sandbox) == ids(3)
    made = run("read_ledger", place)
    assert (made["deliveries"].count(), made["rejected"].count()) == (3, 0)
    assert [row.accepted for row in made["daily"].collect()] == [3]


def test_the_page_has_every_option() -> None:
    rows = [{*re.findall(r"`(\w+)`", row)} for row in re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)]
    assert set[str]().union(*rows[: len(TO_WRITE) - 1]) == TO_WRITE
    assert set[str]().union(*rows[len(TO_WRITE) - 1 :]) == TO_READ
    assert {*BLOCKS} == {"send_conversions", "stream_conversions", "read_ledger"}
