"""``adpostbacks sandbox``: runs the sandbox until SIGINT or SIGTERM."""

import signal
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import click

from target_adpostbacks.networks import NETWORKS

STOP = (signal.SIGINT, signal.SIGTERM)


@click.command()
@click.option(
    "--port",
    metavar="N",
    default=0,
    show_default="a free one",
    type=click.IntRange(0, 65535),
    help="Port on 127.0.0.1.",
)
@click.option(
    "--faults", metavar="FILE", type=click.Path(path_type=Path), help="JSON file of faults; see docs/sandbox.md."
)
@click.option("--networks", is_flag=True, help="List what it plays, and end.")
@click.option(
    "--fail-on-mistake", is_flag=True, help="Exit 1 at the end if anything was refused that no fault asked for."
)
@click.option("--host", default="127.0.0.1", type=click.Choice(["127.0.0.1"]), help="The loopback interface only.")
def sandbox(port: int, faults: Path | None, host: str, *, networks: bool, fail_on_mistake: bool) -> None:
    """Run a local server that plays the ad networks.

    Set `base_url` in a network's section to the address that is printed. GET /_received and /_stats show what it got.

    \b
    Example: adpostbacks sandbox --port 8765 --fail-on-mistake
    """
    try:
        from target_adpostbacks.sandbox import Sandbox
        from target_adpostbacks.sandbox.faults import FaultError, Script, read
        from target_adpostbacks.sandbox.networks import SANDBOX_NETWORKS
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "target_adpostbacks":
            raise
        raise click.ClickException("the sandbox needs its extra: pip install 'target-adpostbacks[sandbox]'") from None
    if networks:
        for name, network in SANDBOX_NETWORKS.items():
            click.echo("\n  ".join([f"{name}  {NETWORKS[name].title}", *network.paths]))
        return
    try:
        script = read(faults) if faults else Script([])
    except FaultError as error:
        raise click.ClickException(str(error)) from None
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP)  # ahead of the server's thread, which inherits it
    with ExitStack() as stack:
        stack.callback(signal.pthread_sigmask, signal.SIG_SETMASK, before)
        server = Sandbox(port=port, faults=script.faults, tokens=script.tokens, assets=script.assets)
        try:
            stack.enter_context(server)
        except OSError as error:
            raise click.ClickException(f"port {port} on {host}: {error.strerror}") from None
        click.echo(f"sandbox: {server.url}")
        signal.sigwait(STOP)
        if fail_on_mistake and (mistakes := server.mistakes_ever):
            raise click.ClickException(f"refused: {_counted(mistakes)}")


def _counted(mistakes: Mapping[str, Mapping[str, int]]) -> str:
    """``tiktok 40002 (2 requests)``."""
    counts = ((f"{network} {code}", n) for network, codes in mistakes.items() for code, n in codes.items())
    return ", ".join(f"{name} ({n} {'request' if n == 1 else 'requests'})" for name, n in counts)
