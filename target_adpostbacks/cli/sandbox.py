"""``adpostbacks sandbox``: runs the sandbox until SIGINT or SIGTERM."""

import signal
from contextlib import ExitStack
from pathlib import Path

import click

STOP = (signal.SIGINT, signal.SIGTERM)


@click.command()
@click.option("--port", default=0, show_default="a free one", type=click.IntRange(0, 65535), help="Port on 127.0.0.1.")
@click.option("--faults", type=click.Path(path_type=Path), help="JSON file of faults; see docs/sandbox.md.")
@click.option("--host", default="127.0.0.1", type=click.Choice(["127.0.0.1"]), help="The loopback interface only.")
def sandbox(port: int, faults: Path | None, host: str) -> None:
    """Run a local server that plays the ad networks.

    Set `base_url` in a network's section to the address that is printed. GET /_received and /_stats show what it got.
    """
    try:
        from target_adpostbacks.sandbox import Sandbox
        from target_adpostbacks.sandbox.faults import FaultError, Script, read
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "target_adpostbacks":
            raise
        raise click.ClickException("the sandbox needs its extra: pip install 'target-adpostbacks[sandbox]'") from None
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
