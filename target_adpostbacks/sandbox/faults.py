"""Scripted faults: which requests they match, and what happens to those."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Literal, NamedTuple

from target_adpostbacks.sandbox.networks import SANDBOX_NETWORKS
from target_adpostbacks.sandbox.schema import first_problem, validator

SCHEMAS = Path(__file__).with_suffix(".json")
SELECTORS = {"network", "path", "times", "after", "processed", "gzip"}
# What takes the answer's place; unless ``processed`` says otherwise, nothing was received then.
REPLACES = ("status", "error", "redirect", "html", "retry_after")


class FaultError(ValueError):
    """A fault that the sandbox cannot read; the message is one line."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One rule: which requests it matches, and what happens to them."""

    network: str | None = None
    path: str | None = None
    times: int | None = None
    after: int = 0
    processed: bool | None = None
    status: int | None = None
    error: str | int | None = None
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    retry_after: str | float | None = None
    redirect: str | None = None
    html: bool = False
    empty: bool = False
    truncated: bool = False
    wrong_count: int | None = None
    refuse_event: int | None = None
    refuse_event_id: str | None = None
    silent: bool | None = None
    echo: bool = False
    hold: bool = False
    delay_seconds: float = 0
    drip_seconds_per_byte: float = 0
    body_bytes: int = 0
    gzip: bool = False
    reset: Literal["before", "after"] | None = None

    @property
    def conditional(self) -> bool:
        """Whether it depends on the events of a request."""
        return self.refuse_event is not None or self.refuse_event_id is not None

    @property
    def replaces(self) -> bool:
        """Whether it replaces the network's own answer."""
        return self.body is not None or any(getattr(self, effect) not in (None, False) for effect in REPLACES)

    @property
    def processes(self) -> bool:
        """Whether the events are received although the answer is spoiled."""
        return not self.replaces if self.processed is None else self.processed

    def meets(self, network: str, path: str) -> bool:
        if self.network not in (None, network) or (self.path is not None and self.path not in path):
            return False
        return self.error is None or SANDBOX_NETWORKS[network].knows(str(self.error))

    def strikes(self, event_ids: Sequence[str]) -> int | None:
        """The index of the event to refuse, None for none."""
        if self.refuse_event_id is not None:
            return event_ids.index(self.refuse_event_id) if self.refuse_event_id in event_ids else None
        if self.refuse_event is not None and self.refuse_event < len(event_ids):
            return self.refuse_event
        return None


NO_FAULT = Fault()


class Script(NamedTuple):
    """What a faults file says."""

    faults: list[Fault]
    tokens: list[str] | dict[str, list[str]] | None = None
    assets: list[str] | None = None


def fault(rule: Any, place: str = "fault") -> Fault:
    """A rule from its JSON; raises ``FaultError`` naming ``place``."""
    check("rule", rule, place)
    if not rule.keys() - SELECTORS:
        raise FaultError(f'{place}: no effect; add one, for example "error": "too_frequent"')
    network, error = rule.get("network"), rule.get("error")
    if network is not None and network not in SANDBOX_NETWORKS:
        raise FaultError(f"{place}: network: not one of {', '.join(sorted(SANDBOX_NETWORKS))}")
    networks = [SANDBOX_NETWORKS[network]] if network else list(SANDBOX_NETWORKS.values())
    if error is not None and not any(network.knows(str(error)) for network in networks):
        names = sorted({name for network in networks for name in network.errors})
        raise FaultError(f"{place}: error: not one of {', '.join(names)}")
    return Fault(**rule)


def check(schema: str, content: Any, place: str) -> None:
    if problem := first_problem(validator(SCHEMAS, schema), content):
        raise FaultError(f"{place}: {problem.field}: {problem.rule}")


def script(content: Any, place: str = "faults") -> Script:
    """Rules from a JSON list, or from an object that names tokens and assets too."""
    whole = {"faults": content} if isinstance(content, list) else content
    rules = whole.get("faults", []) if isinstance(whole, dict) else []
    faults = [fault(rule, f"{place}: rule {n}") for n, rule in enumerate(rules, 1)] if isinstance(rules, list) else []
    check("file", whole, place)
    return Script(faults, whole.get("tokens"), whole.get("assets"))


def read(path: Path) -> Script:
    """A faults file; raises ``FaultError`` when it cannot be read."""
    try:
        return script(json.loads(path.read_text("utf-8")), path.name)
    except OSError as error:
        raise FaultError(f"{path.name}: {error.strerror}") from None
    except ValueError as error:
        if isinstance(error, FaultError):
            raise
        raise FaultError(f"{path.name}: not valid JSON") from None


class Rules:
    """The rules in force, with what is left of each; safe to replace while requests come in."""

    def __init__(self, faults: Sequence[Fault] = ()) -> None:
        self._lock = Lock()
        self.version = 0  # a held answer goes when it changes
        self.replace(faults)

    def replace(self, faults: Sequence[Fault]) -> None:
        with self._lock:
            self.version += 1
            self.faults = list(faults)
            self._seen = [0] * len(self.faults)

    def restart(self) -> None:
        """Every rule's count begins again."""
        self.replace(self.faults)

    def look_at_events(self, network: str, path: str) -> bool:
        """Whether a rule that matches depends on the request's events."""
        with self._lock:
            meeting = self._meeting(network, path)
            return any(rule.conditional for n, rule in meeting if not self._used_up(n, rule))

    def pick(self, network: str, path: str, event_ids: Sequence[str] = ()) -> Fault:
        """The first rule that matches the request; counts it."""
        with self._lock:
            for n, rule in self._meeting(network, path):
                if self._used_up(n, rule) or (rule.conditional and rule.strikes(event_ids) is None):
                    continue
                self._seen[n] += 1
                if self._seen[n] > rule.after:
                    return rule
        return NO_FAULT

    def _meeting(self, network: str, path: str) -> list[tuple[int, Fault]]:
        return [(n, rule) for n, rule in enumerate(self.faults) if rule.meets(network, path)]

    def _used_up(self, n: int, rule: Fault) -> bool:
        return rule.times is not None and self._seen[n] >= rule.after + rule.times
