"""Who may import whom: ARCHITECTURE.md's table, read from the imports."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "target_adpostbacks"
CORE = {"conversion", "columns", "record", "match_keys", "app_data", "network", "networks", "postback", "config"}

MAY_IMPORT = {
    "conversion": set(),
    "columns": {"conversion"},
    "record": {"columns", "conversion"},
    "match_keys": set(),
    "app_data": {"conversion", "match_keys"},
    "network": {"conversion"},
    "networks": {"network", "conversion", "match_keys", "app_data"},
    "postback": {"network", "conversion"},
    "config": {"network", "networks", "columns"},
    "transport": {"network"},
    "ledger": {"network"},
    "way": {"network"},
    "attempts": {"network", "postback", "transport", "way"},
    "repeats": {"attempts", "network", "postback", "ledger"},
    "delivery": {"attempts", "repeats", "network", "postback", "ledger", "transport", "way"},
    "balance": set(),
    "bookmarks": set(),
    "reader": set(),
    "command": {"ledger", "reader"},
    "progress": set(),
    "tap": {"ledger"},
    "results": {"ledger"},
}
"""Modules that are not named may import everything but ``cli``, ``demo`` and ``twin``."""

ONLY_IN = {
    "requests": {"transport"},
    "urllib3": {"transport"},
    "sqlalchemy": {"ledger"},
    "singer_sdk": {"sinks", "command", "target", "reader", "tap"},
    "socket": {"transport"},
}
NEVER_IN_THE_CORE = {"time", "random", "logging", "threading", "os", "uuid", "secrets", "subprocess"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    """``networks/tiktok.py`` is in the room ``networks``."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Every module that is imported at its top level, ours with their full names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def ours(path: Path) -> set[str]:
    """The rooms of the package that a module imports."""
    return {name.split(".")[1] for name in imports(path) if name.startswith("target_adpostbacks.")}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_what_its_room_may(path: Path) -> None:
    here = room(path)
    if here == "twin":
        assert ours(path) <= {"twin"}
    elif here in ("cli", "demo"):
        return
    else:
        allowed = MAY_IMPORT.get(here)
        assert not ours(path) & {"cli", "twin", "demo"}
        assert allowed is None or ours(path) - {here} <= allowed


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_library_is_used_in_its_room_only(path: Path) -> None:
    here = room(path)
    if here in ("twin", "cli", "demo"):
        return
    used = {name.split(".")[0] for name in imports(path)}
    for library, rooms in ONLY_IN.items():
        assert library not in used or here in rooms, f"{library} belongs to {rooms}"
    assert here not in CORE or not used & NEVER_IN_THE_CORE


def test_networks_never_import_each_other() -> None:
    for path in (PACKAGE / "networks").glob("[!_]*.py"):
        assert not {name for name in imports(path) if name.startswith("target_adpostbacks.networks")}


def test_no_network_is_named_outside_its_own_file() -> None:
    names = [path.stem for path in (PACKAGE / "networks").glob("[!_]*.py")]
    for path in modules():
        if room(path) in ("networks", "twin", "cli", "demo"):
            continue
        tree = ast.parse(path.read_text())
        words = {
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        assert not words & {*names}, path.name
