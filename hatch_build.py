"""What a wheel holds beside the package: the Meltano project that ``adpostbacks demo`` runs."""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Wheel(BuildHookInterface[Any]):
    """An editable install reads the project from the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before a wheel is built; ``version``: ``standard`` or ``editable``."""
        if version != "editable":
            build_data["force_include"]["meltano.yml"] = "target_adpostbacks/demo/meltano.yml"
