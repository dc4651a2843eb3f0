"""Writes an account's settings into the file that keeps its secrets: ``.env``, or a config that git does not see."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dotenv

from target_adpostbacks.cli._configs import PREFIX

ONLY_ITS_OWNER = 0o600


class NotWritten(Exception):
    """Why nothing was written, and what to do."""


def ensure_writable(path: Path, section: str, account: str) -> None:
    """Raises NotWritten where ``write`` would, before anybody has asked for a secret."""
    if path.is_dir():
        raise NotWritten(f"{path}: a folder; name a file in it")
    if not path.resolve().parent.is_dir():
        raise NotWritten(f"{path}: there is no such folder; make it first")
    if not os.access(path if path.exists() else path.resolve().parent, os.W_OK):
        raise NotWritten(f"{path}: may not be written; change its rights, or name another file")
    refuse_git(path.resolve())
    try:
        _ = (
            with_settings(read_json(path), section, account, {})
            if path.suffix == ".json"
            else dotenv.dotenv_values(path)
        )
    except (OSError, ValueError, AttributeError, TypeError):
        raise NotWritten(f"{path}: not readable as what its name says; mend it first") from None


def write(path: Path, section: str, account: str, settings: Mapping[str, str]) -> None:
    """Set these settings of an account (empty: of the section) in a file; what else it holds stays, and its mode.

    ``x.json`` is a config; any other file has variables of the environment. It is replaced as a whole, so that nobody
    ever reads half of it. Raises NotWritten.
    """
    try:
        path = path.resolve()
        refuse_git(path)
        if path.suffix == ".json":
            config = with_settings(read_json(path), section, account, settings)
            _replace(path, json.dumps(config, indent=2, ensure_ascii=False) + "\n")
        else:
            for name, value in variables(path, section, account, settings).items():
                dotenv.set_key(path, name, value)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not readable as what its name says"
        raise NotWritten(f"{path}: {why}; nothing was changed") from None


def read_json(path: Path) -> dict[str, Any]:
    """A config; empty where there is no file yet. Raises ValueError and OSError."""
    if not path.exists():
        return {}
    config = json.loads(path.read_text("utf-8-sig"))
    if not isinstance(config, dict):
        raise ValueError("a JSON object expected")
    return config


def with_settings(config: Mapping[str, Any], section: str, account: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The config with these settings in the section, or in one of its accounts; ``secrets.key``: within an object."""
    old = config.get(section) or {}
    if not account:
        return {**config, section: _with(old, settings)}
    accounts = old.get("accounts") or {}
    changed = {**accounts, account: _with(accounts.get(account) or {}, settings)}
    return {**config, section: {**old, "accounts": changed}}


def _with(old: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    changed = {**old}
    for path, value in settings.items():
        name, _, member = path.partition(".")
        changed[name] = {**(changed.get(name) or {}), member: value} if member else value
    return changed


def held(settings: Any, path: str) -> Any:
    """What an account or a section holds at a path, ``access_token`` or ``secrets.key``; None: nothing."""
    for name in path.split(".", 1):
        settings = settings.get(name) if isinstance(settings, Mapping) else None
    return settings


def variable(section: str, setting: str) -> str:
    """``TARGET_ADPOSTBACKS_TIKTOK_ACCESS_TOKEN``."""
    return f"{PREFIX}{section}_{setting}".upper()


def variables(path: Path, section: str, account: str, settings: Mapping[str, str]) -> dict[str, str]:
    """The settings as variables; those of an account are members of the variable that holds all accounts."""
    before = dotenv.dotenv_values(path)
    if not account:
        objects = {name for name, _, member in (each.partition(".") for each in settings) if member}
        old = {name: json.loads(before.get(variable(section, name)) or "{}") for name in objects}
        return {
            variable(section, name): json.dumps(value, ensure_ascii=False) if name in objects else value
            for name, value in _with(old, settings).items()
        }
    name = variable(section, "accounts")
    accounts = json.loads(before.get(name) or "{}")
    changed = {**accounts, account: _with(accounts.get(account) or {}, settings)}
    return {name: json.dumps(changed, ensure_ascii=False)}


def refuse_git(path: Path) -> None:
    """Raises NotWritten where git tracks a file, or would add it."""
    folder = path.parent
    if not any((above / ".git").exists() for above in (folder, *folder.parents)):
        return
    git = shutil.which("git")
    if git is None:
        raise NotWritten(f"{path}: it is in a work tree of git, and there is no git to ask whether it is ignored")

    def answers(*words: str) -> int:
        command = [git, "-C", str(folder), *words, "--", path.name]
        return subprocess.run(command, capture_output=True, check=False).returncode  # noqa: S603 - our own words

    if answers("ls-files", "--error-unmatch") == 0:
        raise NotWritten(f"{path}: git tracks it, and a secret must not get there; name another file with --to")
    if answers("check-ignore", "-q") != 0:
        raise NotWritten(f"{path}: git would add it; write {path.name} into .gitignore first")


def _replace(path: Path, text: str) -> None:
    mode = path.stat().st_mode & 0o777 if path.exists() else ONLY_ITS_OWNER
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
