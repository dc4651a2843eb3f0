"""What documents say of landing URLs, made from what the core and the networks say of them."""

from __future__ import annotations

from collections.abc import Iterator

from told import Kind, code, table

from target_adpostbacks.core.landing import PARAMETERS
from target_adpostbacks.core.links import link
from target_adpostbacks.networks import NETWORKS


def parameters() -> str:
    """The parameters that each column of the ad is read from."""
    rows = [(f"`{column}`", code(names) + own(column)) for column, names in PARAMETERS.items()]
    return table(("column", "parameters, the first goes first"), rows)


def own(column: str) -> str:
    """Those that mean the column in one network's links alone."""
    return "".join(
        f"; {network.title} alone: `{name}`"
        for network in NETWORKS.values()
        for name, meant in network.own_parameters.items()
        if meant == column
    )


def macros(network: Kind) -> Iterator[str]:
    """Cells of the table of networks: the macros of a network's links."""
    said = network.links
    yield (
        f"`{said['campaign_id']}`" + (f" `{said['campaign_name']}`" if "campaign_name" in said else "") if said else "–"
    )
    yield from (code([said[column]]) if column in said else "–" for column in ("ad_group_id", "ad_id"))
    yield code(macro for column, macro in said.items() if column in ("placement", "creative_id")) or "–"


def fields() -> str:
    """Where each network's links are pasted."""
    rows = (
        (network.title, network.link_field, "the parameters" if network.link_is_query else "the URL")
        for network in NETWORKS.values()
        if network.link_field
    )
    return table(("network", "field", "takes"), rows)


def of_network(network: Kind) -> list[str]:
    """The part of a network's page on links; none where it has none."""
    if not network.link_field:
        return []
    made = link(network, "https://shop.example/sale")
    what = "Only the parameters go into" if network.link_is_query else "It goes into"
    blanks = f" Fill in {code(made.blanks)} by hand." if made.blanks else ""
    return [
        f"## Links\n\n`adpostbacks links` [makes them](../links.md). {what}: {network.link_field}.{blanks}\n",
        f"```\n{made.paste}\n```\n",
    ]
