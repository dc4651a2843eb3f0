"""The networks that the sandbox stands in for: every module here that has a ``NETWORK``."""

from importlib import import_module
from pkgutil import iter_modules

from target_adpostbacks.sandbox.network import SandboxNetwork

SANDBOX_NETWORKS: dict[str, SandboxNetwork] = {
    network.name: network
    for network in (
        import_module(f"{__name__}.{module.name}").NETWORK
        for module in iter_modules(__path__)
        if not module.name.startswith("_")
    )
}


def network_of(path: str, method: str = "POST") -> SandboxNetwork | None:
    """The network that a request for ``path`` is for."""
    return next((network for network in SANDBOX_NETWORKS.values() if network.takes(method, path)), None)
