"""What an option may say, without a cluster. No message repeats a value, for it may be a secret."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from pyspark.sql.types import StringType, StructField, StructType

from pyspark_adpostbacks import DefaultSource
from pyspark_adpostbacks.ledgers import shared_ledger
from pyspark_adpostbacks.options import InvalidOptions, place_of
from target_adpostbacks.config.files import UnreadableConfig
from target_adpostbacks.ledger import UnusableLedger

SECRET = "s3cret-value"
HERE = os.uname().nodename


def columns(*names: str) -> StructType:
    return StructType([StructField(name, StringType()) for name in names])


def refusal(options: Mapping[str, str], schema: StructType = columns("event_id"), *, overwrite: bool = False) -> str:  # noqa: B008
    with pytest.raises(InvalidOptions) as refused:
        DefaultSource(dict(options)).writer(schema, overwrite)
    assert SECRET not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"access_token": SECRET}, "access_token: no such option"),
        ({"conf": SECRET}, "conf: no such option; did you mean config?"),
        ({"ledger_url": f"postgresql://me:{SECRET}@db/ads"}, "options are kept in plans and event logs"),
        ({"config": f'{{"tiktok": {{"access_token": "{SECRET}"}}}}'}, "config: the path of a JSON file"),
        ({"config": f"postgresql://me:{SECRET}@db/ads"}, "config: the path of a JSON file"),
        ({"config": "/a.json", "secret_scope": "ads"}, "config and secret_scope: only one of them"),
        ({"path": f"/{SECRET}"}, "path: nothing is saved or loaded under a path"),
        ({"results": SECRET}, "results: the whole path of a folder expected"),
        ({"allow_open": SECRET}, "allow_open: true or false expected"),
    ],
)
def test_an_option_that_does_not_belong_there_is_refused(options: Mapping[str, str], told: str) -> None:
    assert told in refusal(options)


def test_nothing_is_overwritten() -> None:
    assert "can't be overwritten; write with mode('append')" in refusal({"config": "/a.json"}, overwrite=True)


def test_columns_of_one_name_are_refused() -> None:
    assert "several columns of one name: event_id" in refusal({}, columns("event_id", "value", "event_id"))


def test_options_of_spark_itself_are_left_alone() -> None:
    DefaultSource({"checkpointLocation": "/c", "queryName": "ads", "Allow_Open": "TRUE"}).writer(columns("a"), False)


def test_a_config_is_read_from_a_variable(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("ADS", json.dumps({"tiktok": {"pixel_code": "C4A7"}, "// note": 1}))
    monkeypatch.setenv("TARGET_ADPOSTBACKS_TIKTOK_ACCESS_TOKEN", SECRET)
    place = place_of({"config_variable": "ADS"})
    assert place.read() == {"tiktok": {"pixel_code": "C4A7", "access_token": SECRET}}
    assert SECRET not in repr(place)
    monkeypatch.setenv("TARGET_ADPOSTBACKS_TIKTOK_TOKEN", SECRET)
    place.read()
    assert "Not used: TARGET_ADPOSTBACKS_TIKTOK_TOKEN" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize("text", [SECRET, f'["{SECRET}"]', "[" * 100_000], ids=["no JSON", "a list", "too deep"])
def test_a_variable_without_a_config_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("ADS", text)
    with pytest.raises(InvalidOptions, match=f"^config_variable: what it names holds no JSON object on {HERE}$"):
        place_of({"config_variable": "ADS"}).read()
    monkeypatch.delenv("ADS")
    with pytest.raises(InvalidOptions, match=f"^config_variable: there is no such variable on {HERE}$"):
        place_of({"config_variable": "ADS"}).read()


def test_a_config_is_read_from_a_secret_scope(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(InvalidOptions, match=r"^secret_scope: Databricks' utilities are not installed"):
        place_of({"secret_scope": "ads"}).read()
    runtime = tmp_path / "databricks" / "sdk" / "runtime.py"
    runtime.parent.mkdir(parents=True)
    runtime.write_text(
        "import json\n"
        "class dbutils:\n"
        "    class secrets:\n"
        "        def get(scope, key): return json.dumps({'tiktok': {'pixel_code': f'{scope}/{key}'}})\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert place_of({"secret_scope": "ads"}).read() == {"tiktok": {"pixel_code": "ads/adpostbacks"}}
    assert place_of({"secret_scope": "ads", "secret_key": "eu"}).read()["tiktok"] == {"pixel_code": "ads/eu"}


def test_without_a_config_the_options_are_told_that_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidOptions) as refused:
        place_of({}).read()
    told = str(refused.value)
    assert told.startswith("config: no option says where the config is, and no variable")
    assert all(word in told for word in ("config_variable", "secret_scope", "TARGET_ADPOSTBACKS_", HERE))
    monkeypatch.setenv("TARGET_ADPOSTBACKS_LEDGER_URL", "postgresql://db/ads")
    assert place_of({}).read() == {"ledger_url": "postgresql://db/ads"}


def test_a_config_that_is_not_there_is_told_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(UnreadableConfig, match=r"config file not found: .*/config.json"):
        place_of({"config": f"{tmp_path}/config.json"}).read()


@pytest.mark.parametrize(
    ("url", "driver", "told"),
    [
        ("", HERE, "ledger_url: missing"),
        ("", HERE, "set it in the config that the option config names"),
        ("sqlite:///ledger.db", HERE, "ledger_url: the whole path of a SQLite file expected"),
        ("sqlite:////data/ledger.db", "driver-7", f"its driver on driver-7, this task on {HERE}. Use PostgreSQL"),
        (f"oracle://me:{SECRET}@db/ads", HERE, "ledger_url: sqlite or postgresql expected"),
    ],
)
def test_a_ledger_that_tasks_do_not_share_is_refused(url: str, driver: str, told: str) -> None:
    with pytest.raises(UnusableLedger) as refused:
        shared_ledger({"ledger_url": url}, driver)
    assert told in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(("url", "driver"), [("sqlite:////d/l.db", HERE), ("postgresql://me:x@db/ads", "driver-7")])
def test_a_ledger_that_tasks_share_is_taken(url: str, driver: str) -> None:
    assert shared_ledger({"ledger_url": url}, driver) == url


def test_a_stream_on_a_spark_that_is_too_old_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("pyspark.sql.datasource.DataSourceStreamArrowWriter")
    monkeypatch.delitem(sys.modules, "pyspark_adpostbacks.streaming", raising=False)
    with pytest.raises(ImportError, match=r"^streams need Spark 4\.1 or newer, this is \d+\.\d+"):
        DefaultSource({"config": "/a.json"}).streamWriter(columns("event_id"), overwrite=False)
