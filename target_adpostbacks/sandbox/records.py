"""What the sandbox received: events without their duplicates, requests, and counts, in bounded memory."""

import json
from collections import Counter, OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Any, Literal

from target_adpostbacks.sandbox.network import Answer, Batch, Event, SandboxNetwork

Keep = Literal["bodies", "ids"]
MAX_REQUESTS = 10_000
COUNTS = ("requests", "events", "test_events", "duplicates")


@dataclass(slots=True)
class Received:
    """One event; ``payload`` is its JSON, None where it was not kept."""

    network: str
    asset: str
    test: bool
    event: str
    event_id: str | None
    payload: bytes | None
    first: datetime
    richness: int
    times: int = 1

    def shown(self) -> dict[str, Any]:
        return {
            "network": self.network,
            "asset": self.asset,
            "event": self.event,
            "event_id": self.event_id,
            "test": self.test,
            "times": self.times,
            "payload": None if self.payload is None else json.loads(self.payload),
        }


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One request and how it ended; ``status`` is None where the connection was reset."""

    network: str | None
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes | None
    status: int | None
    code: str

    def shown(self) -> dict[str, Any]:
        return {**vars(self), "body": None if self.body is None else decoded(self.body)}


class Records:
    """Written by the server's thread, read by anyone. ``max_bytes`` bounds the payloads and bodies kept."""

    def __init__(self, keep: Keep = "bodies", max_events: int = 100_000, max_bytes: int = 64_000_000) -> None:
        self.keep, self.max_events, self.max_bytes = keep, max_events, max_bytes
        self._lock = Lock()
        self._blamed_ever: Counter[tuple[str, str]] = Counter()
        self.reset()

    def reset(self) -> None:
        with self._lock:
            self._events: OrderedDict[Any, Received] = OrderedDict()
            self._requests: deque[Seen] = deque(maxlen=MAX_REQUESTS)
            self._counts: Counter[tuple[str, str]] = Counter()
            self._refused: Counter[tuple[str, str]] = Counter()
            self._blamed: Counter[tuple[str, str]] = Counter()
            self._bytes = self._dropped = self._unnamed = 0

    def receive(self, network: SandboxNetwork, batch: Batch, now: datetime) -> None:
        """Takes the events in; one that came before within the network's window is a duplicate."""
        with self._lock:
            for event in batch.events:
                self._take(network, batch, event, now)
            while len(self._events) > self.max_events:
                self._forget(self._events.popitem(last=False)[1])

    def _take(self, network: SandboxNetwork, batch: Batch, event: Event, now: datetime) -> None:
        if event.key is None:
            self._unnamed += 1
        key = (network.name, batch.asset, batch.test, event.key or self._unnamed)
        before = self._events.get(key)
        if before is not None and now - before.first < (event.window or network.dedup_window):
            before.times += 1
            self._counts[network.name, "duplicates"] += 1
            if event.richness > before.richness:
                self._bytes -= len(before.payload or b"")
                before.payload, before.richness = self._kept(event.payload), event.richness
            return
        if before is not None:
            # Outside the window it is an event of its own: the old one stays, under a key nobody asks for.
            self._events[key, before.first] = self._events.pop(key)
        self._counts[network.name, "test_events" if batch.test else "events"] += 1
        self._events[key] = Received(
            network=network.name,
            asset=batch.asset,
            test=batch.test,
            event=event.name,
            event_id=event.event_id,
            payload=self._kept(event.payload),
            first=now,
            richness=event.richness,
        )

    def _kept(self, payload: Mapping[str, Any]) -> bytes | None:
        if self.keep == "ids" or self._bytes > self.max_bytes:
            return None
        kept = json.dumps(payload, separators=(",", ":")).encode()
        self._bytes += len(kept)
        return kept

    def _forget(self, old: Received) -> None:
        self._dropped += 1
        self._bytes -= len(old.payload or b"")

    def note(self, seen: Seen, answer: Answer | None) -> None:
        """One request is over."""
        name = seen.network or "none"
        with self._lock:
            self._counts[name, "requests"] += 1
            if answer is not None and answer.code:
                self._refused[name, answer.code] += 1
            room = seen.body is None or self._bytes + len(seen.body) <= self.max_bytes
            if len(self._requests) == MAX_REQUESTS:
                self._bytes -= len(self._requests[0].body or b"")
            kept = seen.body if room and self.keep == "bodies" else None
            self._bytes += len(kept or b"")
            self._requests.append(seen if kept is seen.body else Seen(**{**vars(seen), "body": kept}))

    def blame(self, network: str, code: str) -> None:
        """A request was refused, and no fault was the cause."""
        with self._lock:
            self._blamed[network, code] += 1
            self._blamed_ever[network, code] += 1

    def mistakes(self, *, ever: bool = False) -> dict[str, dict[str, int]]:
        """Network → code → how many requests it refused without a fault; ``none``: no network has their path.

        ``ever``: those before the last reset, too.
        """
        with self._lock:
            blamed = sorted((self._blamed_ever if ever else self._blamed).items())
            return {name: {code: n for (of, code), n in blamed if of == name} for (name, _), _ in blamed}

    def events(self, *, test: bool, network: str | None = None) -> list[dict[str, Any]]:
        with self._lock:
            wanted = [e for e in self._events.values() if e.test == test and network in (None, e.network)]
            return [event.shown() for event in wanted]

    def requests(self) -> list[dict[str, Any]]:
        with self._lock:
            return [seen.shown() for seen in self._requests]

    def stats(self, networks: list[str]) -> dict[str, Any]:
        with self._lock:
            shown: dict[str, Any] = {}
            for network in networks:
                shown[network] = {name: self._counts[network, name] for name in COUNTS}
                shown[network]["refused"] = {code: n for (name, code), n in self._refused.items() if name == network}
            total = sum(n for (_, name), n in self._counts.items() if name == "requests")
            return {"requests": total, "forgotten": self._dropped, "networks": shown}


def decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")
