"""What target-adpostbacks and tap-adpostbacks do with ``--config`` and the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import click
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.plugin_base import PluginBase, _ConfigInput

from target_adpostbacks.config import environment, files
from target_adpostbacks.ledger.place import RULE


@dataclass
class Configured(_ConfigInput):
    """The config as its files and the environment say it; nothing is left for the SDK to read."""

    settings: environment.Settings = field(default_factory=lambda: environment.Settings({}, {}, []))
    is_named: bool = False  # whether --config was there

    def refused(self, error: ConfigValidationError) -> ConfigValidationError:
        """The same mistakes, with the variables that settings come from."""
        hint = "" if self.is_named else " to a file, and name it with --config"
        mistakes = [
            mistake + hint if mistake.startswith("no network:") else self.settings.named(mistake)
            for mistake in error.errors
        ]
        return ConfigValidationError(str(error), errors=mistakes, schema={})


class ConfiguredPlugin(PluginBase):
    """A plugin whose single settings may come from the environment, whether or not there is a config file."""

    ledger_variables: tuple[str, ...]
    """Those that say where the ledger is, the first that is set first."""

    @classmethod
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> Configured:
        """Read the config; a file that can't be read ends the command with one line."""
        try:
            config = files.read(value)
        except files.UnreadableConfig as error:
            raise click.ClickException(str(error)) from None
        return cls.configured(config, is_named=bool(value))

    @classmethod
    def configured(cls, config: dict[str, Any], *, is_named: bool = False) -> Configured:
        """The config of the files, and the environment's over it."""
        settings = environment.settings(config, cls.described, cls._env_var_prefix, os.environ)
        return Configured(config=settings.config, settings=settings, is_named=is_named)

    @classmethod
    def described(cls) -> dict[str, Any]:
        """The JSON Schema of the config, with the SDK's settings."""
        schema = cls.config_jsonschema
        cls.append_builtin_config(schema)
        return schema

    @classmethod
    def report(cls, settings: environment.Settings) -> None:
        """Log which variables are used, and which are not and why."""
        for warning in settings.warnings:
            cls.logger.warning(warning)
        if names := sorted({*settings.variables.values()}):
            cls.logger.info("From the environment: %s", ", ".join(names))

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """The SDK's command; its help says where settings and the ledger are looked for."""
        command = super().get_singer_command()
        (config,) = (option for option in command.params if option.name == "config")
        assert isinstance(config, click.Option)  # noqa: S101 - as the SDK makes it
        config.help = (
            "Configuration file, a JSON object; several are merged. `ENV` reads `.env`. Variables of the environment go"
            f" before the files: {cls._env_var_prefix}LEDGER_URL, and so on for every setting that --about lists."
        )
        command.epilog = f"The ledger is where {', else '.join(cls.ledger_variables)} says, else {RULE}"
        return command
