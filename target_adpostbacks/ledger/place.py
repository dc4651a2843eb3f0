"""Says where the ledger is: one rule for target-adpostbacks, tap-adpostbacks and adpostbacks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from target_adpostbacks.ledger.connections import UnusableLedger

FILE = "adpostbacks.db"
VARIABLE = "TARGET_ADPOSTBACKS_LEDGER_URL"
VARIABLE_OF_TAP = "TAP_ADPOSTBACKS_LEDGER_URL"
PROJECT = "MELTANO_PROJECT_ROOT"
RULE = (
    f"`ledger_url` in the config. Else it is {FILE} in the folder that {PROJECT} names; in the current folder, if it is"
    " there; in the Meltano project above it; or in the current folder. A relative sqlite path counts from the folder"
    f" that {PROJECT} names, else from the current one."
)
"""How each program's ``--help`` ends its own list of places."""


def ledger_url(
    environ: Mapping[str, str],
    chosen: str | None = None,
    *,
    configured: str | None = None,
    variables: Iterable[str] = (VARIABLE,),
) -> str:
    """The URL of the ledger: the one ``chosen``, a variable's, the ``configured`` one, or that of a file.

    Raises UnusableLedger.
    """
    root = environ.get(PROJECT, "").strip()
    urls = (chosen, *(environ.get(name) for name in variables), configured)
    url = next((url.strip() for url in urls if url and url.strip()), None)
    if url is None:
        return _sqlite(_folder(root) / FILE)
    # No URL of a server, no absolute path, no URI of SQLite's own.
    file = re.fullmatch(r"(sqlite[^:]*:///)((?!file:)[^/:?][^?]*)(.*)", url, re.DOTALL)
    if file is None:
        return url
    return f"{file[1]}{_plain(_below(root, file[2]))}{file[3]}"


def _folder(root: str) -> Path:
    """Where the ledger's file is if nothing else names it."""
    here = Path(root) if root else _here()
    if root or (here / FILE).is_file():
        return here
    return next((folder for folder in (here, *here.parents) if (folder / "meltano.yml").is_file()), here)


def _here() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise UnusableLedger("ledger: the current directory is gone; set ledger_url") from None


def _below(root: str, path: str) -> Path:
    if path.startswith("~"):
        try:
            return Path(path).expanduser()
        except RuntimeError:
            raise UnusableLedger("ledger_url: there is no such home folder; write the whole path") from None
    return (Path(root) if root else _here()) / path


def _sqlite(file: Path) -> str:
    return f"sqlite:///{_plain(file)}"


def _plain(file: Path) -> Path:
    if "?" in str(file):
        raise UnusableLedger("ledger: the name of its folder has a `?`, which a URL cannot hold; set ledger_url")
    return file
