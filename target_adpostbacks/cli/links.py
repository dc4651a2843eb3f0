"""adpostbacks links: landing URLs with the macros of each network, and where to paste them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import click
import msgspec

from target_adpostbacks.cli import _options
from target_adpostbacks.cli._output import printable, write_json
from target_adpostbacks.core.links import Link, NoLink, link
from target_adpostbacks.networks import NETWORKS

LINKED = [name for name, network in NETWORKS.items() if network.link_field]


@click.command()
@click.argument("url")
@click.option(
    "--network", "networks", metavar="NAME", multiple=True, help="Only this network, by any of its names. Repeatable."
)
@click.option("--no-utm", is_flag=True, help="Leave out utm_source, utm_medium and utm_campaign.")
@_options.output("table", "json")
def links(url: str, networks: Sequence[str], style: str, *, no_utm: bool) -> None:
    """Print landing URLs with networks' macros, and where they go.

    The network fills in the campaign, ad group and ad of each click. target-adpostbacks reads them from the column
    landing_url, so that the report can set conversions beside what the ad cost. What the URL has already stays.

    \b
    Example: adpostbacks links https://shop.example/sale --network tiktok --network meta
    """
    chosen = dict.fromkeys(map(_network, networks)) or LINKED
    try:
        made = [link(NETWORKS[name], url.strip(), with_utm=not no_utm) for name in chosen]
    except NoLink as error:
        raise click.BadParameter(str(error), param_hint="URL") from None
    WRITERS[style](made)


def _network(text: str) -> str:
    name = _options.network_named(text)
    if name not in LINKED:
        raise click.BadParameter(f"{text!r} is not one of {', '.join(LINKED)}", param_hint="--network")
    return name


def _write_table(made: Sequence[Link]) -> None:
    """A link stands on a line of its own, to be copied whole."""
    for number, each in enumerate(made):
        if number:
            click.echo()
        click.echo(f"{NETWORKS[each.network].title}: {each.paste_into}")
        click.echo(printable(each.paste))
        if each.blanks:
            click.echo(f"Fill in {' and '.join(each.blanks)} by hand.")


WRITERS: Mapping[str, Callable[[Sequence[Link]], None]] = {
    "table": _write_table,
    "json": lambda made: write_json(map(msgspec.structs.asdict, made)),
}
