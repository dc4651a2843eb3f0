"""Who may import whom: a folder imports only from the folders below it, and each library has its place."""

from __future__ import annotations

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from target_adpostbacks.networks import NETWORKS

PACKAGE = Path(__file__).parent.parent / "target_adpostbacks"

BELOW = {
    "core": "",
    "networks": "core",
    "ledger": "core",
    "rules": "core",
    "config": "core networks rules",
    "delivery": "core ledger",
    "workers": "core",
    "run": "core networks rules config ledger delivery workers",
    "singer": "core networks config ledger delivery run workers",
    "sandbox": "",
    "doctor": "core",
    "demo": "core networks ledger sandbox",
    "cli": "core networks rules config ledger delivery run singer doctor demo sandbox",
    "__init__": "run delivery",
    "__main__": "singer",
}
"""A room (a folder or module at the top of the package) to the rooms that it may import."""

ONLY_IN = {
    "requests": "delivery/transport.py delivery/connections.py",
    "urllib3": "delivery/transport.py delivery/connections.py",
    "socket": "delivery/connections.py delivery/public.py sandbox demo",
    "sqlalchemy": "ledger",
    "singer_sdk": "singer",
    "simpleeval": "rules",
    "click": "cli singer",
    "aiohttp": "sandbox",
    "opentelemetry": "run/telemetry.py run/exporting.py",
    "jinja2": "cli",
    "pygal": "cli",
}
"""A library to the rooms and files that may use it."""

SPARK = PACKAGE.with_name("pyspark_adpostbacks")
SEAM = {"target_adpostbacks", "target_adpostbacks.delivery.balance", "target_adpostbacks.config.environment"}
SEAM |= {"target_adpostbacks.config", "target_adpostbacks.config.files", "target_adpostbacks.delivery.disk"}
SEAM |= {"target_adpostbacks.ledger", "target_adpostbacks.ledger.address", "target_adpostbacks.singer.summaries"}
"""What the data source for Spark imports of the package: where records, settings and ledgers are handed over."""

NEVER_IN_THE_CORE = set(
    "time random logging threading queue concurrent select socket ssl http urllib3 requests sqlite3 sqlalchemy asyncio "
    "multiprocessing os secrets subprocess singer_sdk".split()
)
MOST_ROOMS = 14
"""At the top of the package; ``__main__.py``, ``py.typed`` and folders of mere data aside."""


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def room(path: Path) -> str:
    """``networks/tiktok.py`` is in the room ``networks``."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Every module and name that is imported anywhere in a file, ours with their full names."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where they lead"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def rooms_imported(path: Path) -> set[str]:
    ours = {name.split(".")[1] for name in imports(path) if name.startswith("target_adpostbacks.")}
    return {each if each in BELOW else "__init__" for each in ours} - {room(path)}


def files_imported(path: Path) -> set[Path]:
    """The files of the package that a file imports, whichever way they are named."""
    files = set()
    for name in imports(path):
        parts = name.split(".")
        if parts[0] != "target_adpostbacks":
            continue
        for length in range(len(parts), 1, -1):
            place = PACKAGE.joinpath(*parts[1:length])
            module = place.with_suffix(".py")
            if module.exists() or (place / "__init__.py").exists():
                files.add(module if module.exists() else place / "__init__.py")
                break
    return files - {path}


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_a_module_imports_only_from_the_rooms_below_its_own(path: Path) -> None:
    assert rooms_imported(path) <= {*BELOW[room(path)].split()}


def test_no_import_runs_in_a_circle() -> None:
    TopologicalSorter({path: files_imported(path) for path in modules()}).prepare()
    TopologicalSorter({name: below.split() for name, below in BELOW.items()}).prepare()


def test_the_rooms_are_few() -> None:
    rooms = {room(path) for path in modules()} - {"__main__"}
    assert len(rooms) <= MOST_ROOMS
    assert rooms <= BELOW.keys()


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_a_library_is_used_in_its_place_only(path: Path) -> None:
    used = {name.split(".")[0] for name in imports(path)}
    for library, places in ONLY_IN.items():
        assert library not in used or {room(path), name_of(path)} & {*places.split()}, f"{library} belongs to {places}"
    assert room(path) not in ("core", "networks") or not used & NEVER_IN_THE_CORE


def test_spark_is_outside_and_comes_in_by_the_doors() -> None:
    for path in SPARK.rglob("*.py"):
        ours = {name for name in imports(path) if name.startswith("target_adpostbacks")}
        assert {name.rpartition(".")[0] for name in ours} <= SEAM
    for path in modules():
        assert not {name for name in imports(path) if name.startswith(("pyspark", "pyarrow"))}


def test_networks_never_import_each_other() -> None:
    networks = PACKAGE / "networks"
    for path in (*networks.glob("[!_]*.py"), *networks.glob("_*/*.py")):
        own = f"target_adpostbacks.networks._{path.relative_to(networks).parts[0].removesuffix('.py').lstrip('_')}"
        others = {name for name in imports(path) if name.startswith("target_adpostbacks.networks")}
        assert not {name for name in others if not name.startswith((f"{own}.", own))}


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_no_network_is_named_outside_its_own_file_and_its_sandbox(path: Path) -> None:
    """Neither as the config and the ledger write it nor as people do; a docstring may.

    Of a network whose name is a letter, the other names that it goes by are looked for.
    """
    if room(path) in ("networks", "sandbox"):
        return
    names = {
        name
        for network in NETWORKS.values()
        for name in ((network.name, network.title) if len(network.name) > 1 else network.aliases)
    }
    written = "\n".join(texts(path))
    assert not [name for name in sorted(names) if re.search(rf"\b{re.escape(name)}\b", written)]


def texts(path: Path) -> list[str]:
    """Every string of a module but its docstrings."""
    tree = ast.parse(path.read_text())
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in alone)
    return [node.value for node in constants if isinstance(node.value, str)]
