"""What documents say of landing URLs, made from what the core and the networks say of them."""

from __future__ import annotations

from told import code, table

from target_adpostbacks.core.landing import PARAMETERS
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
