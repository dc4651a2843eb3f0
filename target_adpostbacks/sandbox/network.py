"""What a network of the sandbox is: the paths that it owns, what it refuses, and how it answers."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from target_adpostbacks.sandbox.access import Access
from target_adpostbacks.sandbox.schema import Problem

BAD = "refused by a fault"
HTML = "<html><body>Welcome</body></html>"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What goes back: ``body`` is JSON, or text, or None for no body; ``code`` names a refusal in the statistics."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    code: str = ""  # empty: a success


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request, as the sandbox read it; header names in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any  # decoded JSON, or the fields of a form, or of a GET request's query; NOT_JSON when it is none of them
    now: datetime
    number: int  # counts the requests, for request ids
    access: Access
    silent: bool | None = None  # a refusal names no event; None: as the network usually does
    echo: bool = False  # a refusal tells the value
    bad: int | None = None  # the index of an event that a fault makes a bad one


@dataclass(frozen=True, kw_only=True)
class Event:
    """One accepted event; ``key`` is what the network deduplicates on within an asset, None where it does not."""

    name: str
    event_id: str | None
    payload: Mapping[str, Any]
    key: Collection[str | None] | None
    richness: int = 0  # of two copies the richer survives; equal: the first
    window: timedelta | None = None  # of its own, where the network's is another


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The accepted events of one request; ``answer``: where the network took others for bad, and says of each."""

    asset: str
    test: bool
    events: Sequence[Event]
    answer: Answer | None = None


class Refused(Exception):
    """Ends the reading of a request with this answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.code)
        self.answer = answer


class SandboxNetwork(ABC):
    """A network of the sandbox; ``receive`` reads a request as the network would, the rest is a few lines each."""

    name: ClassVar[str]
    errors: ClassVar[Collection[str]]  # names that a fault's ``error`` may use
    answers: ClassVar[Mapping[str, Answer]] = {}  # documented ones, of which the first stands for its HTTP status
    dedup_window: ClassVar[timedelta]
    # For docs/sandbox.md:
    paths: ClassVar[Sequence[str]]
    refusal: ClassVar[str]  # what a refusal looks like
    stricter: ClassVar[str]  # what is refused although the network may take it
    deduplication: ClassVar[str]

    @abstractmethod
    def owns(self, path: str) -> bool:
        """Whether a request for ``path`` is for this network."""

    def takes(self, method: str, path: str) -> bool:
        """``owns``, where two networks have one path and differ in the method."""
        return self.owns(path)

    @abstractmethod
    def receive(self, call: Call) -> Batch | Answer:
        """The events of an acceptable request, or the answer of an endpoint without events; raises ``Refused``."""

    @abstractmethod
    def accepted(self, call: Call, count: int) -> Answer:
        """The answer to ``count`` accepted events."""

    @abstractmethod
    def refused(self, call: Call, problem: Problem) -> Answer:
        """The answer to a request that has this problem."""

    @abstractmethod
    def error(self, call: Call, name: str) -> Answer:
        """A documented error by its name."""

    @abstractmethod
    def ids_in(self, body: Any) -> list[str]:
        """The ids of a request's events in order. May raise what looking into something else does."""

    def failed(self, status: int) -> Answer:
        """A bare HTTP status, with the body that the network sends along."""
        usual = (answer for answer in self.answers.values() if answer.status == status)
        return next(usual, Answer(status=status, code=str(status)))

    def event_ids(self, body: Any) -> list[str]:
        """The ids of a request's events in order, before anything is checked; none in what is no request."""
        try:
            return self.ids_in(body)
        except (AttributeError, KeyError, TypeError):
            return []

    def knows(self, error: str) -> bool:
        """Whether a fault may ask for this error."""
        return error in self.errors


NOT_JSON = object()
