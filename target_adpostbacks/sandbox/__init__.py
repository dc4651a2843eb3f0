"""The sandbox of the ad networks: a loopback server that answers as they document."""

from target_adpostbacks.sandbox.server import Sandbox

__all__ = ["Sandbox"]
