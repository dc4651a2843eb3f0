"""What the networks get for a value, printed: in every format, for one network or field."""

from __future__ import annotations

import csv
import io
import json
from importlib.resources import files
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.cells import cell_len

from target_adpostbacks.cli._tables import columns
from target_adpostbacks.cli.vectors import quoted, vectors
from target_adpostbacks.networks import NETWORKS


def run(*arguments: str) -> Result:
    return CliRunner().invoke(vectors, arguments, env={"FORCE_COLOR": "1", "COLUMNS": "80"})


def printed(*arguments: str) -> list[dict[str, Any]]:
    result = run("--format", "json", *arguments)
    assert result.exit_code == 0, result.output
    rows: list[dict[str, Any]] = json.loads(result.stdout)
    return rows


def kit(network: str) -> list[dict[str, Any]]:
    text = (files("target_adpostbacks") / "vectors" / f"{network}.json").read_text("utf-8")
    return [{"network": network, **row} for row in json.loads(text)["normalize"]]


def test_json_has_every_row_of_every_network() -> None:
    assert printed() == [row for network in NETWORKS for row in kit(network)]


def test_a_network_is_known_by_any_of_its_names() -> None:
    assert printed("--network", " Google Ads") == printed("--network", "google") == kit("google_ads")


def test_a_network_and_a_field_choose_rows() -> None:
    network = next(iter(NETWORKS))
    assert printed("--network", network) == kit(network)
    assert printed("--network", network, "--field", "email") == [row for row in kit(network) if row["field"] == "email"]
    assert {row["network"] for row in printed("--field", "email")} == {*NETWORKS}


def test_an_unknown_network_or_field_is_answered_with_the_known_ones() -> None:
    unknown = run("--network", "nobody")
    assert (unknown.exit_code, unknown.stdout) == (2, "")
    assert f"there are no rows of 'nobody', only of {', '.join(NETWORKS)}" in unknown.stderr
    network = next(iter(NETWORKS))
    known = dict.fromkeys(row["field"] for row in kit(network))
    unknown = run("--network", network, "--field", "shoe_size")
    assert (unknown.exit_code, unknown.stdout) == (2, "")
    assert f"there are no rows of 'shoe_size', only of {', '.join(known)}" in unknown.stderr


def test_csv_has_the_same_rows_with_lists_and_objects_as_json() -> None:
    rows = [*csv.DictReader(io.StringIO(run("--format", "csv").stdout))]
    assert [row["sha256"] for row in rows if not row["sha256"].startswith("[")] == [
        row["sha256"] or "" for row in printed() if not isinstance(row["sha256"], list)
    ]
    beside = [json.loads(row["with"]) for row in rows if row["with"]]
    assert beside == [row["with"] for row in printed() if "with" in row]


def test_no_spreadsheet_takes_a_value_for_a_formula() -> None:
    rows = [*csv.DictReader(io.StringIO(run("--format", "csv", "--field", "phone").stdout))]
    assert [row["input"] for row in rows if row["input"].startswith("'")] == [
        f"'{row['input']}" for row in printed("--field", "phone") if str(row["input"]).lstrip(" ").startswith("+")
    ]
    assert not [value for row in rows for value in row.values() if value.startswith(("+", "="))]


def test_a_table_in_a_pipe_has_a_line_each_with_every_value_in_full_and_no_colors() -> None:
    head, *shown = run().stdout.splitlines()
    assert head.split() == ["Network", "Field", "Input", "With", "Normalized", "SHA-256", "Why"]
    assert len(shown) == len(printed())
    for line, row in zip(shown, printed(), strict=True):
        assert line.isprintable()
        assert line.split()[:2] == [row["network"], row["field"]]
        assert line.endswith(row["why"])
        assert str(row["sha256"] or "").replace("'", '"').replace("None", "null") in line


def test_a_table_shows_spaces_and_characters_that_nobody_sees() -> None:
    network = next(iter(NETWORKS))
    spaced = next(row for row in kit(network) if row["field"] == "email" and str(row["input"]).startswith("\t"))
    assert json.dumps(spaced["input"]) in run("--network", network, "--field", "email").stdout
    assert quoted("a\u200bé") == r'"a\u200bé"'


@pytest.mark.parametrize("width", [20, 80, 120, 300])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    rows = [["Network", "Input", "Why"], ["x" * 12, "é注文" * 40, "as it is"], ["y", "z", "because " * 30]]
    assert max(map(cell_len, columns(rows, width))) <= width
    assert [*columns([["Network", "Why"], ["x", "as it is"]], width)] == ["Network  Why", "x        as it is"]
