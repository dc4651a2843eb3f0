"""One rule says where the ledger is, for every program."""

from __future__ import annotations

from pathlib import Path

import pytest

from target_adpostbacks.ledger import Ledger, UnusableLedger, ledger_url
from target_adpostbacks.ledger.place import VARIABLE, VARIABLE_OF_TAP

POSTGRES = "postgresql+psycopg://ads:p%40ss@db.example.com/ads?sslmode=require"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, ``extract`` of a Meltano project."""
    (tmp_path / "meltano.yml").touch()
    folder = tmp_path / "extract"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_the_first_that_says_where_it_is_wins(here: Path) -> None:
    environ = {VARIABLE: "sqlite:////variable.db", "MELTANO_PROJECT_ROOT": "/project"}
    assert ledger_url(environ, "sqlite:////chosen.db", configured="sqlite:////file.db") == "sqlite:////chosen.db"
    assert ledger_url(environ, configured="sqlite:////file.db") == "sqlite:////variable.db"
    del environ[VARIABLE]
    assert ledger_url(environ, configured="sqlite:////file.db") == "sqlite:////file.db"
    assert ledger_url(environ) == "sqlite:////project/adpostbacks.db"
    assert ledger_url({}) == f"sqlite:///{here.parent}/adpostbacks.db"
    (here / "adpostbacks.db").touch()
    assert ledger_url({}) == f"sqlite:///{here}/adpostbacks.db"


def test_what_is_empty_says_nothing(here: Path) -> None:
    environ = {VARIABLE: " ", "MELTANO_PROJECT_ROOT": ""}
    assert ledger_url(environ, "", configured="") == f"sqlite:///{here.parent}/adpostbacks.db"


def test_the_taps_variable_goes_before_that_of_the_target() -> None:
    environ = {VARIABLE: "sqlite:////target.db", VARIABLE_OF_TAP: "sqlite:////tap.db"}
    names = (VARIABLE_OF_TAP, VARIABLE)
    assert ledger_url(environ, variables=names) == "sqlite:////tap.db"
    assert ledger_url({VARIABLE: "sqlite:////target.db"}, variables=names) == "sqlite:////target.db"


def test_outside_a_project_it_is_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert ledger_url({}) == f"sqlite:///{tmp_path}/adpostbacks.db"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///ads.db", "{root}/ads.db"),
        ("sqlite:///data/../my ads é%20.db?timeout=5", "{root}/data/../my ads é%20.db?timeout=5"),
        ("sqlite+pysqlite:///ads.db", "{root}/ads.db"),
        ("sqlite:///~/ads.db", "/home/ada/ads.db"),
        ("sqlite:////var/lib/ads.db", "/var/lib/ads.db"),
    ],
)
def test_a_relative_path_counts_from_the_project_or_the_current_folder(
    url: str, path: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    scheme = url.partition("///")[0]
    in_project = ledger_url({"MELTANO_PROJECT_ROOT": "/my project"}, url)
    assert in_project == f"{scheme}///{path.format(root='/my project')}"
    assert ledger_url({}, configured=url) == f"{scheme}///{path.format(root=here)}"


@pytest.mark.parametrize("url", [POSTGRES, "sqlite:///:memory:", "sqlite://", "nonsense", "sqlite://host/x"])
def test_any_other_url_stays_as_it_is(url: str) -> None:
    assert ledger_url({"MELTANO_PROJECT_ROOT": "/project"}, url) == url


def test_a_ledger_in_a_folder_with_a_space_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "my project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    Ledger(ledger_url({}, "sqlite:///my ads.db"), "run-1").close()
    assert (folder / "my ads.db").is_file()


def test_a_place_that_cannot_be_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnusableLedger, match=r"folder has a `\?`"):
        ledger_url({"MELTANO_PROJECT_ROOT": "/what?"})
    with pytest.raises(UnusableLedger, match="no such home folder"):
        ledger_url({}, "sqlite:///~nobody-of-that-name/ads.db")
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    for url in (None, "sqlite:///ads.db"):
        with pytest.raises(UnusableLedger, match="directory is gone"):
            ledger_url({}, url)
