"""The sandbox: a loopback server on a thread of its own that answers as the ad networks do."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timezone
from threading import Event as Flag
from threading import Thread
from types import TracebackType
from typing import Any

from aiohttp import web

from target_adpostbacks.sandbox.access import Access
from target_adpostbacks.sandbox.faults import Fault, Rules, fault, script
from target_adpostbacks.sandbox.handler import MAX_BODY, Handler
from target_adpostbacks.sandbox.networks import SANDBOX_NETWORKS
from target_adpostbacks.sandbox.records import Keep, Records

LOOPBACK = "127.0.0.1"


def utc_now() -> datetime:
    return datetime.now(timezone.utc)


class Sandbox:
    """A context manager: inside it, ``url`` answers.

    ``faults`` are rules as in a faults file. ``tokens`` and ``assets``, where given, are the only ones let in;
    ``tokens`` may map each token to its assets. ``keep="ids"`` keeps no payloads. By the clock ``now`` events are too
    old, or duplicates. With ``tls`` it speaks https.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        faults: Sequence[Fault | Mapping[str, Any]] = (),
        tokens: Collection[str] | Mapping[str, Collection[str]] | None = None,
        assets: Collection[str] | None = None,
        now: Callable[[], datetime] | None = None,
        keep: Keep = "bodies",
        max_events: int = 100_000,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._port = port
        self._tls = tls
        self._rules = Rules(rules(faults))
        self._records = Records(keep, max_events)
        self._known = (tokens, assets)
        self._handler = Handler(self._rules, self._records, Access(*self._known), now or utc_now)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: Thread | None = None
        self.url = ""

    def __enter__(self) -> "Sandbox":
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((LOOPBACK, self._port))
        except OSError:
            listening.close()
            raise
        self.url = f"{'https' if self._tls else 'http'}://{LOOPBACK}:{listening.getsockname()[1]}"
        started = Flag()
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._run, args=(self._loop, listening, started), name="sandbox", daemon=True)
        self._thread.start()
        started.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def _run(self, loop: asyncio.AbstractEventLoop, listening: socket.socket, started: Flag) -> None:
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        loop.run_until_complete(runner.setup())
        loop.run_until_complete(web.SockSite(runner, listening, ssl_context=self._tls).start())
        started.set()
        loop.run_forever()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(runner.cleanup())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        endpoint = {
            ("GET", "/_received"): self._show_received,
            ("GET", "/_stats"): self._show_stats,
            ("POST", "/_reset"): self._take_reset,
            ("POST", "/_faults"): self._take_faults,
        }.get((request.method, request.path))
        return await (endpoint or self._handler.handle)(request)

    @property
    def received(self) -> list[dict[str, Any]]:
        """The live events that were accepted, once each; ``times``: how often each came."""
        return self._records.events(test=False)

    @property
    def test_events(self) -> list[dict[str, Any]]:
        """The same of events sent to the networks' test tools."""
        return self._records.events(test=True)

    @property
    def requests(self) -> list[dict[str, Any]]:
        """Every request in the order of the answers, its secrets masked."""
        return self._records.requests()

    @property
    def mistakes(self) -> dict[str, dict[str, int]]:
        """What was refused though no fault asked for it: network → code → requests; empty: nothing."""
        return self._records.mistakes()

    @property
    def mistakes_ever(self) -> dict[str, dict[str, int]]:
        """The same with those before the last reset."""
        return self._records.mistakes(ever=True)

    def stats(self) -> dict[str, Any]:
        return self._records.stats(sorted(SANDBOX_NETWORKS))

    def reset(self) -> None:
        """Forgets what came in and what was revoked; the faults stay and count from the start."""
        self._records.reset()
        self._rules.restart()
        self._handler.access = Access(*self._known)

    @property
    def faults(self) -> list[Fault]:
        return list(self._rules.faults)

    @faults.setter
    def faults(self, faults: Sequence[Fault | Mapping[str, Any]]) -> None:
        self._rules.replace(rules(faults))

    async def _show_received(self, request: web.Request) -> web.Response:
        test = request.query.get("test", "false").lower() == "true"
        return web.json_response({"events": self._records.events(test=test, network=request.query.get("network"))})

    async def _show_stats(self, _request: web.Request) -> web.Response:
        return web.json_response(self.stats())

    async def _take_reset(self, _request: web.Request) -> web.Response:
        self.reset()
        return web.json_response({"reset": True})

    async def _take_faults(self, request: web.Request) -> web.Response:
        try:
            self.faults = script(await request.json()).faults
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response({"faults": len(self.faults)})


def rules(faults: Sequence[Fault | Mapping[str, Any]]) -> list[Fault]:
    return [rule if isinstance(rule, Fault) else fault(dict(rule), f"rule {n}") for n, rule in enumerate(faults, 1)]
