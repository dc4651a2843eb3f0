"""Reads the files that ``--config`` names: JSON objects, and ``ENV`` for ``.env``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

SCHEMA = "$schema"
"""At the top of a config: where an editor finds its JSON Schema."""
COMMENT = "//"
"""A name that begins so is a comment: JSON has none, and this one stays where a program writes the file anew."""


class UnreadableConfig(Exception):
    """A config file can't be read. The message says which and why, without its text."""


def read(paths: Iterable[str]) -> dict[str, Any]:
    """The settings of all files, those of a later one before those of an earlier. Raises UnreadableConfig.

    ``ENV`` names no file: with it, the variables of ``.env`` are set where the environment lacks them.
    """
    settings: dict[str, Any] = {}
    for path in paths:
        if path == "ENV":
            _load_env_file()
        else:
            settings |= _file(path)
    return settings


def without_comments(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config without what is there for people and editors alone."""
    return {name: _settings(value) for name, value in config.items() if name != SCHEMA and not _is_comment(name)}


def _settings(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _settings(member) for name, member in value.items() if not _is_comment(name)}
    return [_settings(member) for member in value] if isinstance(value, list) else value


def _is_comment(name: Any) -> bool:
    return isinstance(name, str) and name.startswith(COMMENT)


def _load_env_file() -> None:
    """Set the variables of the ``.env`` in this folder, or in the nearest one above that has one."""
    from dotenv import find_dotenv, load_dotenv

    try:
        load_dotenv(find_dotenv(usecwd=True), override=False)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "lines of NAME=value in UTF-8 expected"
        raise UnreadableConfig(f"config file: .env: {why}") from None


def _file(path: str) -> dict[str, Any]:
    try:
        settings = json.loads(Path(path).read_text("utf-8-sig"))
        if isinstance(settings, dict):
            return without_comments(settings)
    except FileNotFoundError:
        raise UnreadableConfig(f"config file not found: {path}") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        is_yaml = Path(path).suffix in (".yml", ".yaml")
        hint = ". Write what stands under `config` in a meltano.yml as a JSON object" if is_yaml else ""
        raise UnreadableConfig(f"config file: {path} is not valid JSON ({where}){hint}") from None
    except OSError as error:
        raise UnreadableConfig(f"config file: {path}: {error.strerror or type(error).__name__}") from None
    except (ValueError, RecursionError):
        raise UnreadableConfig(f"config file: {path}: a JSON object in UTF-8 expected") from None
    raise UnreadableConfig(f"config file: {path}: a JSON object expected")
