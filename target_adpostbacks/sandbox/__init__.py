"""The sandbox of the ad networks: a loopback server that answers as they document."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from target_adpostbacks.sandbox.server import Sandbox

__all__ = ["Sandbox"]


def __getattr__(name: str) -> Any:
    """The server is imported once it is asked for: pytest loads ``pytest_plugin`` in every project that has us."""
    if name == "Sandbox":
        from target_adpostbacks.sandbox.server import Sandbox

        return Sandbox
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
