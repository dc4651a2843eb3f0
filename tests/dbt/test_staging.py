"""The dbt package knows each column of the streams: whoever adds one to the ledger is told here."""

from __future__ import annotations

import re

import pytest
import yaml  # type: ignore[import-untyped]
from dbt_project import ROOT

from target_adpostbacks.singer.tap import TapAdpostbacks

STAGING = ROOT / "dbt" / "models" / "staging"
STREAMS = {
    stream["stream"]: stream["schema"]["properties"] for stream in TapAdpostbacks(config={}).catalog_dict["streams"]
}
OBJECTS = {"last_24h", "open_money"}
"""Each warehouse has JSON of its own: these are left out."""


@pytest.mark.parametrize("stream", STREAMS)
def test_a_stream_is_staged_with_each_of_its_columns(stream: str) -> None:
    model = (STAGING / f"stg_adpostbacks__{stream}.sql").read_text()
    assert {*re.findall(r"'(\w+)\??': '", model)} == {*STREAMS[stream]} - OBJECTS
    kinds = dict(re.findall(r"'(\w+)\??': '(\w+)'", model))
    times = {name for name, described in STREAMS[stream].items() if described.get("format") == "date-time"}
    assert {name for name, kind in kinds.items() if kind == "time"} == times


def test_each_stream_is_a_source() -> None:
    said = yaml.safe_load((STAGING / "_adpostbacks__sources.yml").read_text())
    assert {table["name"] for table in said["sources"][0]["tables"]} == {*STREAMS}
