"""adpostbacks links: what it prints, and what it refuses."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from target_adpostbacks.cli.links import LINKED, links
from target_adpostbacks.networks import NETWORKS

DOCS = Path(__file__).parent.parent.parent / "docs"
PAGE = "https://shop.example/sale"

TIKTOK = (
    f"{PAGE}?campaign_name=__CAMPAIGN_NAME__&campaign_id=__CAMPAIGN_ID__&ad_group_id=__AID__&ad_id=__CID__"
    "&placement=__PLACEMENT__"
)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(links, arguments, env={"COLUMNS": "80"})


def test_a_link_stands_whole_on_a_line_under_the_field_that_takes_it() -> None:
    assert run(PAGE, "--network", "TikTok Ads", "--network", "x", "--no-utm").stdout.splitlines() == [
        "TikTok: ad > Website URL, and not again under Tracking",
        TIKTOK,
        "",
        "X: ad > Website URL",
        f"{PAGE}?campaign_name={{campaign_name}}&campaign_id={{campaign_id}}",
        "Fill in {campaign_name} and {campaign_id} by hand.",
    ]


def test_without_a_network_there_is_a_link_for_each() -> None:
    rows = json.loads(run(PAGE, "--format", "json").stdout)
    assert [row["network"] for row in rows] == LINKED
    assert all(row["paste_into"] and row["url"].startswith(f"{PAGE}?utm_source={row['network']}&") for row in rows)
    assert [row["network"] for row in rows if row["paste"] != row["url"]] == [
        name for name in LINKED if NETWORKS[name].link_is_query
    ]


def test_a_network_that_is_named_twice_has_one_link() -> None:
    rows = json.loads(run(PAGE, "--network", "meta", "--network", "facebook", "--format", "json").stdout)
    assert [row["network"] for row in rows] == ["meta"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((f"{PAGE}?utm_source=a&ad_id=7",), "the URL has utm_source, ad_id already; take that out"),
        ((f"{PAGE}?ad_id=7", "--no-utm", "--network", "meta"), "the URL has ad_id already; take that out\n"),
        (("shop.example",), "an http or https URL expected"),
        ((PAGE, "--network", "newspaper"), "'newspaper' is not one of google_ads, "),
        ((PAGE, "--network", "generic"), "'generic' is not one of google_ads, "),
        ((), "Missing argument 'URL'"),
    ],
)
def test_what_cannot_be_made_is_refused_whole(arguments: tuple[str, ...], said: str) -> None:
    refused = run(*arguments)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert said in refused.stderr.replace("\n│ ", " ")


def test_the_documents_example_prints_what_it_shows() -> None:
    command, shown = re.findall(r"```(?:console)?\n(.*?)```", (DOCS / "links.md").read_text(), re.DOTALL)[:2]
    _, _, *arguments = shlex.split(command.removeprefix("$ "))
    assert run(*arguments).stdout == shown
