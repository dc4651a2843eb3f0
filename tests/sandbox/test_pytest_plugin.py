"""The fixture ``adpostbacks_sandbox``: there in every project that has us, at no cost until it is used."""

from __future__ import annotations

from pathlib import Path

from test_sandbox_docs import run_pytest

HEAVY = "{'aiohttp', 'requests', 'sqlalchemy', 'singer_sdk', 'msgspec', 'jsonschema_rs', 'click'}"


def test_pytest_loads_it_and_imports_nothing_else_of_ours(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import sys\n\n\n"
        "def test_it(pytestconfig):\n"
        "    assert pytestconfig.pluginmanager.has_plugin('adpostbacks_sandbox')\n"
        f"    assert not {HEAVY} & {{*sys.modules}}\n"
        "    assert len([name for name in sys.modules if name.startswith('target_adpostbacks')]) == 3\n"
    )
    ran = run_pytest(tmp_path, "-p", "adpostbacks_sandbox", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")  # others import much
    assert ran.returncode == 0, ran.stdout


def test_each_test_has_a_sandbox_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "seen = set()\n\n\n"
        "def test_one(adpostbacks_sandbox):\n"
        "    assert adpostbacks_sandbox.received == []\n"
        "    assert adpostbacks_sandbox.mistakes == {}\n"
        "    seen.add(id(adpostbacks_sandbox))\n\n\n"
        "def test_another(adpostbacks_sandbox):\n"
        "    assert adpostbacks_sandbox.url.startswith('http://127.0.0.1:')\n"
    )
    ran = run_pytest(tmp_path)
    assert (ran.returncode, "2 passed" in ran.stdout) == (0, True), ran.stdout


def test_without_the_extra_it_names_the_extra_and_other_tests_run(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("import sys\n\nsys.modules['aiohttp'] = None\n")
    (tmp_path / "test_it.py").write_text(
        "def test_one(adpostbacks_sandbox):\n    raise AssertionError\n\n\ndef test_other():\n    pass\n"
    )
    ran = run_pytest(tmp_path)
    assert "1 passed, 1 error" in ran.stdout
    assert "pip install 'target-adpostbacks[sandbox]'" in ran.stdout
