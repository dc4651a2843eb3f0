"""A network is added by its own files alone: the contract, the documents, the sandbox and the demo find it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from patience import run_to_its_end

ROOT = Path(__file__).parent.parent.parent
COPIED = (
    "target_adpostbacks tests docs README.md ARCHITECTURE.md CHANGELOG.md CONTRIBUTING.md RELIABILITY.md LICENSE "
    "Makefile meltano.yml pyproject.toml sample_config.json requirements-dev.txt requirements-dbt.txt dbt "
    "benchmarks"
).split()
ADDED = {
    "acme.py": "target_adpostbacks/networks/acme.py",
    "sandbox.py": "target_adpostbacks/sandbox/networks/acme.py",
    "sandbox.json": "target_adpostbacks/sandbox/networks/acme.json",
    "vectors.json": "target_adpostbacks/vectors/acme.json",
    "page.md": "docs/networks/acme.md",
}
"""All that a network consists of, but for its own tests and a line of the changelog."""
GENERATED = ["tests/test_docs.py", "tests/test_meltano.py", "-m", "not slow"]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the repository with one network more."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path)
    for name, place in ADDED.items():
        shutil.copy(Path(__file__).parent / "acme" / name, tmp_path / place)
    return tmp_path


def run_tests(tree: Path, *words: str) -> None:
    """Its tests pass in the copy."""
    environ = {**os.environ, "PYTHONPATH": str(tree)}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words]
    ran = run_to_its_end(command, cwd=tree, env=environ)
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-1000:]


@pytest.mark.slow
def test_a_new_network_takes_its_own_files_and_one_update_of_the_documents(tree: Path) -> None:
    run_tests(tree, *GENERATED, "--update-docs")
    run_tests(tree, *GENERATED)
    run_tests(tree, "tests/networks", "tests/sandbox", "-k", "acme and not new_network")
    run_tests(tree, "tests/test_architecture.py")
    run_tests(tree, "tests/test_demo.py", "-k", "conversions or piped")
    readme, link = (tree / "README.md").read_text(), "[Acme](docs/networks/acme.md)"
    assert f"| {link} | web, app, store, CRM | `acmeid` | email | 1 and your own |" in readme
    assert f"| {link} | 100 | 72 hours | 48 hours | – |" in readme
    for page, cells in (("links", "– | – | – | –"), ("consent", "–"), ("connect", "– | – | –")):
        assert f"| [Acme](networks/acme.md) | {cells} |" in (tree / "docs" / f"{page}.md").read_text()
    assert '"Acme",' in (tree / "pyproject.toml").read_text()
    assert "`TARGET_ADPOSTBACKS_ACME_ACCESS_TOKEN`" in (tree / "docs" / "meltano.md").read_text()
