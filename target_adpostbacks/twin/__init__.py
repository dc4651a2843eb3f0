"""The offline twin of the ad networks: a loopback server that answers as they document."""

from target_adpostbacks.twin.server import Twin

__all__ = ["Twin"]
