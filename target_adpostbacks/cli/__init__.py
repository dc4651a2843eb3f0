"""adpostbacks: looks at what was delivered. One file per command, named as the command is.

Modules whose name begins with an underscore are no commands.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import pkgutil
from typing import Any

import click

from target_adpostbacks.singer.streams import open_closed, until_read


class Commands(click.Group):
    """Finds every command in this folder, and imports it when it is asked for."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Run a command, and exit with its code."""
        open_closed("stdout", "stderr")
        atexit.register(gc.freeze)  # what is imported would be looked through once more before the process ends
        return super().main(*arguments, **options)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a reader that has seen enough, or a full disk, ends it without a traceback."""
        with until_read():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The modules of this folder, without those that commands share."""
        modules = sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))
        return [name.replace("_", "-") for name in modules]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command of a module, which has its name."""
        if name not in self.list_commands(ctx):
            return None
        module = name.replace("-", "_")
        command: click.Command = getattr(importlib.import_module(f"{__name__}.{module}"), module)
        return command

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Say at the end of the help where every command looks for the ledger."""
        from target_adpostbacks.ledger.place import RULE, VARIABLE  # takes a while to import

        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(f"The ledger is where a command's --ledger-url says, else {VARIABLE}, else {RULE}")

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is named first; a name that is none is told with the nearest one."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            close = get_close_matches(args[0], self.list_commands(ctx), 1)
            raise click.UsageError(error.message + (f" Did you mean {close[0]}?" if close else ""), ctx) from None


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="target-adpostbacks")
def main() -> None:
    """Set up target-adpostbacks and try it, see what it delivered and what ads cost, make their links, erase people."""
