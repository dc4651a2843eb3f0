"""The environment over the files: every setting has a variable, and a variable never hides what is around it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from conftest import SETTINGS

from target_adpostbacks import config
from target_adpostbacks.config import InvalidConfig, environment
from target_adpostbacks.networks import NETWORKS
from target_adpostbacks.singer.tap import TapAdpostbacks
from target_adpostbacks.singer.target import TargetAdpostbacks

PREFIX = "TARGET_ADPOSTBACKS_"
TIKTOK = dict(SETTINGS["tiktok"])


def described(plugin: Any = TargetAdpostbacks) -> Mapping[str, Any]:
    schema: dict[str, Any] = plugin.config_jsonschema
    plugin.append_builtin_config(schema)
    return schema


def read(files: Mapping[str, Any], **variables: str) -> environment.Settings:
    """The settings of a target; a variable that begins with an underscore has the target's name before it."""
    environ = {PREFIX + name[1:] if name.startswith("_") else name: value for name, value in variables.items()}
    return environment.settings(files, described, PREFIX, environ)


def mistakes(settings: environment.Settings) -> list[str]:
    with pytest.raises(InvalidConfig) as invalid:
        config.read(settings.config)
    return [settings.named(mistake) for mistake in invalid.value.mistakes]


def test_a_variable_goes_before_the_file_and_completes_its_section() -> None:
    files = {"tiktok": {"pixel_code": "D7VH38JC77U3LFDOLGRG", "access_token": "of-the-file"}}
    settings = read(files, _TIKTOK_ACCESS_TOKEN="of-the-environment")
    assert settings.config == {"tiktok": {**files["tiktok"], "access_token": "of-the-environment"}}
    assert files["tiktok"]["access_token"] == "of-the-file"
    assert settings.warnings == []


@pytest.mark.parametrize("value", ["", " ", "\t"])
def test_an_empty_variable_is_none(value: str) -> None:
    assert read({"tiktok": TIKTOK}, _TIKTOK_ACCESS_TOKEN=value, _TIKTOK=value).config == {"tiktok": TIKTOK}


def test_a_section_of_the_environment_joins_the_file_s_and_a_single_variable_goes_before_both() -> None:
    files = {"tiktok": {"pixel_code": "D7VH38JC77U3LFDOLGRG", "event_map": {"lead": "A", "purchase": "B"}}}
    section = json.dumps({"access_token": "a", "send": "all", "event_map": {"lead": "C"}})
    settings = read(files, _TIKTOK=section, _TIKTOK_ACCESS_TOKEN="b")
    assert settings.config["tiktok"] == {
        "pixel_code": "D7VH38JC77U3LFDOLGRG",
        "access_token": "b",
        "send": "all",
        "event_map": {"lead": "C"},  # one setting, as every object but sections and accounts
    }


def test_accounts_of_the_environment_join_the_file_s() -> None:
    files = {"tiktok": {"accounts": {"eu": {"pixel_code": "D7VH38JC77U3LFDOLGRG"}, "us": {"send": "all"}}}}
    settings = read(files, _TIKTOK_ACCOUNTS='{"eu": {"access_token": "a"}, "uk": {"access_token": "b"}}')
    assert settings.config["tiktok"]["accounts"] == {
        "eu": {"pixel_code": "D7VH38JC77U3LFDOLGRG", "access_token": "a"},
        "us": {"send": "all"},
        "uk": {"access_token": "b"},
    }


def test_objects_as_meltano_writes_them_are_read() -> None:
    accounts = {"eu.pixel_code": "D7VH38JC77U3LFDOLGRG", r"eu.event_map.my\.lead": "Lead", "us.access_token": "a"}
    maps = {"conversions.value": "float(value)", r"a\.b.__alias__": "c", "d": None}
    variables = {"_TIKTOK_ACCOUNTS": json.dumps(accounts), "_STREAM_MAPS": json.dumps(maps)}
    settings = read({"tiktok": {}}, **variables, MELTANO_PROJECT_ROOT="/project")
    assert settings.config["tiktok"]["accounts"] == {
        "eu": {"pixel_code": "D7VH38JC77U3LFDOLGRG", "event_map": {"my.lead": "Lead"}},
        "us": {"access_token": "a"},
    }
    nested = {"conversions": {"value": "float(value)"}, "a.b": {"__alias__": "c"}, "d": None}
    assert settings.config["stream_maps"] == nested
    assert read({}, _STREAM_MAPS=json.dumps(maps)).config["stream_maps"] == maps


@pytest.mark.parametrize(
    ("name", "text", "path", "value"),
    [
        ("_MAX_BATCH_AGE_SECONDS", "7", "max_batch_age_seconds", 7),
        ("_REQUESTS_PER_SECOND", "2.5", "requests_per_second", 2.5),
        ("_FAIL_ABOVE_REJECTED_PERCENT", "null", "fail_above_rejected_percent", None),
        ("_FLATTENING_ENABLED", "Yes", "flattening_enabled", True),
        ("_TIKTOK_HASH_DEVICE_IDS", "0", "tiktok.hash_device_ids", False),
        ("_META_DATA_PROCESSING_OPTIONS", '["LDU"]', "meta.data_processing_options", ["LDU"]),
        ("_META_DATA_PROCESSING_OPTIONS", "LDU, x", "meta.data_processing_options", ["LDU", "x"]),
        ("_META_PIXEL_ID", "123456789012345", "meta.pixel_id", "123456789012345"),
        ("_FIELDS", '{"email": "mail"}', "fields", {"email": "mail"}),
        ("_TIKTOK_EVENT_MAP", '{"lead": null}', "tiktok.event_map", {"lead": None}),
        ("_STREAM_MAPS", '{"a.b": {"c": "d"}}', "stream_maps", {"a.b": {"c": "d"}}),
        ("_FAKER_CONFIG_SEED", "1", "faker_config.seed", "1"),
        ("_BATCH_CONFIG_STORAGE_ROOT", "file:///x", "batch_config.storage.root", "file:///x"),
        ("_LEDGER_URL", " sqlite:///x.db ", "ledger_url", "sqlite:///x.db"),
    ],
)
def test_a_text_becomes_what_its_setting_is(name: str, text: str, path: str, value: Any) -> None:
    settings = read({"tiktok": TIKTOK, "meta": {}}, **{name: text})
    place: Any = settings.config
    for part in path.split("."):
        place = place[part]
    assert place == value
    assert type(place) is type(value)
    assert settings.variables[path] == PREFIX + name[1:]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("_TIKTOK_CONCURRENCY", "canary", "tiktok.concurrency ({}): a whole number expected"),
        ("_TIKTOK_CONCURRENCY", "0", "tiktok.concurrency ({}): a whole number of at least 1 expected"),
        ("_TIKTOK_CONCURRENCY", "1.5", "tiktok.concurrency ({}): a whole number expected"),
        ("_REQUESTS_PER_SECOND", "1e999", "requests_per_second ({}): "),
        ("_REQUESTS_PER_SECOND", "nan", "requests_per_second ({}): a number"),
        ("_FLATTENING_ENABLED", "canary", "flattening_enabled ({}): true or false expected"),
        ("_TIKTOK_HASH_DEVICE_IDS", "canary", "tiktok.hash_device_ids ({}): true or false expected"),
        ("_FIELDS", "canary", "fields ({}): an object expected"),
        ("_FIELDS", "[" * 100_000, "fields ({}): an object expected"),
        ("_FIELDS", '{"emial": "canary"}', "fields.emial ({}): no such column; did you mean email"),
        ("_TIKTOK_ACCOUNTS", "[1]", "tiktok.accounts ({}): an object expected"),
        ("_TIKTOK_ACCOUNTS", '{"a.b": 1, "a": "canary"}', "tiktok.accounts.a ({}): an object expected"),
        ("_TIKTOK_ACCOUNTS", '{"a": {"pixl_code": "canary"}}', "tiktok.accounts.a.pixl_code ({}): no such setting"),
        ("_RULES", '[{"x": "canary"}]', "rules[0].x ({}): no such key"),
        ("_TIKTOK_ACCOUNTS", '{"a": {"rules": [1]}}', "tiktok.accounts.a.rules[0] ({}): an object expected"),
        ("_TIKTOK", "canary", "tiktok ({}): an object expected"),
        ("_TIKTOK", '"canary"', "tiktok ({}): an object expected"),
        ("_TIKTOK", '{"pixel_code": "my canary"}', "tiktok.pixel_code ({}): "),
    ],
)
def test_what_does_not_fit_is_a_mistake_that_names_the_variable(name: str, text: str, said: str) -> None:
    told = mistakes(read({"tiktok": TIKTOK}, **{name: text}))
    assert [mistake for mistake in told if mistake.startswith(said.format(PREFIX + name[1:]))], told
    assert "canary" not in "".join(told)


def test_all_mistakes_come_at_once() -> None:
    told = mistakes(read({"tiktok": {}}, _TIKTOK_CONCURRENCY="x", _MAX_ATTEMPTS="y"))
    assert [mistake.partition(":")[0] for mistake in told] == [
        "max_attempts (TARGET_ADPOSTBACKS_MAX_ATTEMPTS)",
        "tiktok.concurrency (TARGET_ADPOSTBACKS_TIKTOK_CONCURRENCY)",
        "tiktok.access_token",
        "tiktok.pixel_code",
    ]


def test_single_variables_that_make_a_section_whole_switch_it_on() -> None:
    variables = {f"_TIKTOK_{name.upper()}": value for name, value in TIKTOK.items()}
    settings = read({}, **variables)
    assert settings.config == {"tiktok": TIKTOK}
    assert [*config.read(settings.config)[1]] == ["tiktok"]


@pytest.mark.parametrize("files", [{}, {"tiktok": None}])
def test_single_variables_that_lack_something_switch_nothing_on_and_are_told(files: Any) -> None:
    settings = read({**files, "reddit": SETTINGS["reddit"]}, _TIKTOK_PIXEL_CODE="canary", _TIKTOK_CONCURRENCY="x")
    assert [*config.read(settings.config)[1]] == ["reddit"]
    names = "TARGET_ADPOSTBACKS_TIKTOK_CONCURRENCY, TARGET_ADPOSTBACKS_TIKTOK_PIXEL_CODE"
    (warning,) = settings.warnings
    assert warning == f"{names} are not used: tiktok.access_token is missing. Nothing is sent to tiktok."


@pytest.mark.parametrize("variable", [{"_TIKTOK": '{"pixel_code": "D7VH38JC77U3LFDOLGRG"}'}, {"_TIKTOK": "{}"}])
def test_a_section_that_is_there_and_lacks_something_is_a_mistake(variable: dict[str, str]) -> None:
    settings = read({}, **variable)
    assert [mistake for mistake in mistakes(settings) if mistake.startswith("tiktok.access_token: missing")]
    assert settings.warnings == []


def test_a_single_variable_of_a_section_that_is_no_object_hides_no_mistake() -> None:
    settings = read({"tiktok": "canary"}, _TIKTOK_ACCESS_TOKEN="canary")
    assert mistakes(settings) == ["tiktok: an object expected, as in sample_config.json"]


def test_a_variable_that_is_no_setting_is_told_with_the_one_that_is_like_it() -> None:
    settings = read({"tiktok": TIKTOK}, _TIKTOK_ACESS_TOKEN="canary", _LOGLEVEL="DEBUG", PATH="/bin")
    (warning,) = settings.warnings
    wrong, right = f"{PREFIX}TIKTOK_ACESS_TOKEN", f"{PREFIX}TIKTOK_ACCESS_TOKEN"
    assert warning == f"Not used: {wrong}: no such setting; did you mean {right}?"
    inside = read({"tiktok": TIKTOK}, _FIELDS_EMAIL="mail", MELTANO_PROJECT_ROOT="/project")
    assert inside.warnings == []  # Meltano writes a variable for each member of an object


def test_what_meltano_has_written_into_the_file_is_not_read_once_more() -> None:
    environ = {"_STREAM_MAPS": '{"conversions.value": "float(value)"}', "MELTANO_LOADER_NAME": "target-adpostbacks"}
    files = {"tiktok": TIKTOK, "stream_maps": {"conversions": {"value": "float(value)"}}}
    assert read(files, **environ).config == files
    assert read({}, **environ).config == {"stream_maps": {"conversions.value": "float(value)"}}


def test_every_setting_of_both_programs_has_one_variable() -> None:
    for plugin, prefix in ((TargetAdpostbacks, PREFIX), (TapAdpostbacks, "TAP_ADPOSTBACKS_")):
        paths = [path for path, _ in environment._settings(described(plugin))]
        names = {prefix + "_".join(path).upper() for path in paths}
        assert len(names) == len(paths)
    for network, kind in NETWORKS.items():
        assert {(network, name) for name in kind.settings_type.__struct_fields__} <= {
            path for path, _ in environment._settings(described())
        }


def test_settings_of_the_sdk_are_known_to_those_who_describe_none() -> None:
    environ = {f"{PREFIX}BATCH_SIZE_ROWS": "7", f"{PREFIX}FAKER_CONFIG_SEED": "1"}
    settings = environment.settings({"tiktok": TIKTOK}, config.schema, PREFIX, environ)
    assert settings.config["batch_size_rows"] == 7
    assert settings.warnings == []


def test_the_tap_has_its_own() -> None:
    environ = {"TAP_ADPOSTBACKS_FLATTENING_MAX_DEPTH": "2", "TARGET_ADPOSTBACKS_LEDGER_URL": "sqlite:////x.db"}
    settings = environment.settings({}, lambda: described(TapAdpostbacks), "TAP_ADPOSTBACKS_", environ)
    assert settings.config == {"flattening_max_depth": 2}


def test_without_a_variable_no_schema_is_made() -> None:
    def never() -> dict[str, Any]:
        raise AssertionError

    environ = {"HOME": "/home/ada", "TAP_ADPOSTBACKS_LEDGER_URL": "sqlite:///ledger.db"}
    assert environment.settings({"tiktok": TIKTOK}, never, PREFIX, environ) == ({"tiktok": TIKTOK}, {}, [])
