"""adpostbacks init: the files that a configuration begins with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from target_adpostbacks.cli import _answers, _options, _starters
from target_adpostbacks.cli._output import printable
from target_adpostbacks.core.network import Network
from target_adpostbacks.networks import NETWORKS
from target_adpostbacks.rules import presets, sources

NO_PRESET = "none"


@click.command()
@click.option("--network", "names", metavar="NAME", multiple=True, help="A network, by any of its names. Repeatable.")
@click.option("--preset", type=click.Choice([NO_PRESET, *presets.names()]), help="What a program calls its events.")
@click.option("--source", type=click.Choice(sources.names()), help="What the rows of your tap are: docs/sources.md.")
@click.option("--yes", is_flag=True, help="Ask nothing.")
def init(names: Sequence[str], preset: str | None, source: str | None, *, yes: bool) -> None:
    """Write a config and a Meltano project into this folder.

    `.env.example` has the names of its secrets. Each setting has a comment that says what it is and where it is found.
    The values are examples, and there are no secrets among them. A file that exists is kept. Beside a `meltano.yml`, a
    fragment for it is written. With `--source`, it asks what nobody but you knows of the rows.

    \b
    Example: adpostbacks init --network tiktok --network reddit --yes
    """
    if yes and not names:
        raise click.UsageError(f"--yes: name one --network at least; known: {', '.join(NETWORKS)}")
    networks = _networks(names) if names else _asked_networks()
    if preset is None and not yes and source is None:
        preset = click.prompt("Preset", type=click.Choice([NO_PRESET, *presets.names()]), default=NO_PRESET)
    top: dict[str, Any] = {"preset": preset} if preset and preset != NO_PRESET else {}
    if source:
        chosen = sources.shipped(source)
        top |= {"source": source, **chosen.target, **_answers.asked(chosen, ask=not yes)}
    files = _files(networks, top)
    if not yes:
        click.confirm(f"Write {', '.join(files)} into {printable(str(Path.cwd()))}?", default=True, abort=True)
    written = [name for name, text in files.items() if _write(Path(name), text)]
    kept = [name for name in files if name not in written]
    if Path(_starters.MELTANO).exists() and _starters.MELTANO not in files:
        kept.append(_starters.MELTANO)
    _report(networks, written, kept, reads_source=source is not None)


def _networks(names: Sequence[str]) -> list[type[Network[Any]]]:
    chosen = {name.strip(): _options.network_named(name) for name in names}
    if unknown := [name for name, network in chosen.items() if network is None]:
        raise click.UsageError(f"{printable(', '.join(unknown))}: not known; known: {', '.join(NETWORKS)}")
    return [network for name, network in NETWORKS.items() if name in chosen.values()]


def _asked_networks() -> list[type[Network[Any]]]:
    for name, network in NETWORKS.items():
        click.echo(f"  {name}  {network.title}")

    def read(text: str) -> list[type[Network[Any]]]:
        return _networks([name for name in text.split(",") if name.strip()] or [text])

    chosen: list[type[Network[Any]]] = click.prompt("Networks, separated by commas", value_proc=read)
    return chosen


def _files(networks: Sequence[type[Network[Any]]], top: Mapping[str, Any]) -> dict[str, str]:
    """Name → text of every file that there is to be; ``top``: settings at the top of the config."""
    files = {_starters.CONFIG: _starters.config(networks, top), _starters.SECRETS: _starters.secrets(networks)}
    project = Path(_starters.MELTANO)
    if not project.exists():
        files[_starters.MELTANO] = _starters.meltano(networks, top, is_fragment=False)
    elif _starters.PLUGIN not in _read(project):
        files[_starters.FRAGMENT] = _starters.meltano(networks, top, is_fragment=True)
    return files


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror or type(error).__name__}") from None


def _write(path: Path, text: str) -> bool:
    """False where there is something of this name already."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return False
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror or type(error).__name__}") from None
    return True


def _report(
    networks: Sequence[type[Network[Any]]], written: Sequence[str], kept: Sequence[str], *, reads_source: bool
) -> None:
    if written:
        click.echo(f"Written: {', '.join(written)}")
    if kept:
        click.echo(f"Kept as it is: {', '.join(kept)}")
    if _starters.FRAGMENT in written:
        click.echo(f"To {_starters.MELTANO} add the line: include_paths: [{_starters.FRAGMENT}]")
    click.echo(f"Next, put your own values into {_starters.CONFIG}, or into {_starters.MELTANO}:")
    for network in networks:
        for name in _starters.values(network):
            click.echo(f"  {network.name}.{name}")
    if reads_source:
        click.echo("A first sync reads old rows too: set `not_before` to a day, and older conversions are not sent.")
    click.echo("Put the secrets into .env, and see whether the networks take them:")
    if Path(".env").exists():
        click.echo(f"  add the lines of {_starters.SECRETS} to the .env that is there")
    else:
        click.echo(f"  cp {_starters.SECRETS} .env && chmod 600 .env")
    click.echo(f"  adpostbacks validate --config {_starters.CONFIG} --config ENV")
