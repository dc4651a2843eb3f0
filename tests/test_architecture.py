"""Who may import whom: a folder imports only from the folders below it, and each library has its place."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "target_adpostbacks"

MAY_IMPORT = {
    "core": set(),
    "networks": {"core"},
    "config": {"core", "networks"},
    "ledger": {"core"},
    "delivery": {"core", "ledger"},
    "run": {"core", "networks", "config", "ledger", "delivery"},
    "singer": {"core", "config", "ledger", "delivery", "run"},
    "sandbox": set(),
}
"""A folder or module of the package to those that it may import; those that are not named may import everything."""

ONLY_IN = {
    "requests": {"delivery/transport.py"},
    "urllib3": {"delivery/transport.py"},
    "socket": {"delivery/transport.py"},
    "sqlalchemy": {"ledger"},
    "singer_sdk": {"singer"},
}
"""A library to the folders and files that use it."""

NEVER_IN_THE_CORE = {
    *("time", "random", "logging", "threading", "queue", "os", "uuid", "secrets", "subprocess", "socket", "select"),
    *("sqlite3", "http", "ssl", "asyncio", "multiprocessing"),
}
ELSEWHERE = {"sandbox", "cli", "demo"}
"""Programs beside the target, which use what they like."""


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
def test_a_module_imports_only_from_the_rooms_below_its_own(path: Path) -> None:
    here = room(path)
    others = ours(path) - {here}
    assert others <= MAY_IMPORT.get(here, others)
    assert here in ELSEWHERE or not others & ELSEWHERE


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_library_is_used_in_its_place_only(path: Path) -> None:
    here = room(path)
    used = {name.split(".")[0] for name in imports(path)}
    for library, places in ONLY_IN.items():
        is_its_place = here in {*places, *ELSEWHERE} or str(path.relative_to(PACKAGE)) in places
        assert library not in used or is_its_place, f"{library} belongs to {places}"
    assert here not in ("core", "networks", "config") or not used & NEVER_IN_THE_CORE


def test_networks_never_import_each_other() -> None:
    for path in (PACKAGE / "networks").glob("[!_]*.py"):
        assert not {name for name in imports(path) if name.startswith("target_adpostbacks.networks")}


def test_no_network_is_named_outside_its_own_file() -> None:
    names = [path.stem for path in (PACKAGE / "networks").glob("[!_]*.py")]
    for path in modules():
        if room(path) in ("networks", *ELSEWHERE):
            continue
        tree = ast.parse(path.read_text())
        words = {
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        assert not words & {*names}, path.name
