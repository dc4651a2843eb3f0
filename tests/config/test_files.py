"""Config files: what is there for people and editors alone is no setting."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import SETTINGS

from target_adpostbacks import config
from target_adpostbacks.config import files

COMMENTED = {
    "$schema": "./config.schema.json",
    "//": "what this config is for",
    "tiktok": {
        "// pixel_code": "of the shop",
        "rules": [{"// why": "finance asked for it", "when": "value < 1", "send": False}],
        "accounts": {"// eu": "the second shop", "eu": {**SETTINGS["tiktok"], "// access_token": "expires in May"}},
    },
}


def read(folder: Path, text: str) -> dict[str, object]:
    (folder / "config.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    return files.read([str(folder / "config.json")])


def test_a_name_that_begins_with_two_slashes_is_a_comment_wherever_it_stands(tmp_path: Path) -> None:
    settings = read(tmp_path, json.dumps(COMMENTED))
    assert "//" not in json.dumps(settings)
    _, sections = config.read(settings)
    assert [account.label for account in sections["tiktok"]] == ["tiktok.eu"]


def test_the_schema_of_an_editor_is_a_setting_below_the_top() -> None:
    assert files.without_comments({"tiktok": {"$schema": "x"}}) == {"tiktok": {"$schema": "x"}}


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 5_000 + "1" + "}" * 5_000, "3", "{", "\udcff"])
def test_a_file_that_is_no_config_is_refused_by_its_name(text: str, tmp_path: Path) -> None:
    with pytest.raises(files.UnreadableConfig, match=r"config\.json"):
        read(tmp_path, text)
