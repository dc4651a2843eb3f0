"""How an account is connected by OAuth: what a network says for itself of the way from an app to a token."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping
from typing import ClassVar, NamedTuple

from target_adpostbacks.core.answers import Request, Response


class App(NamedTuple):
    """The user's developer app, and what one attempt is made with."""

    app_id: str
    secret: str
    redirect_uri: str
    state: str  # comes back with the code: the answer is to this attempt
    verifier: str  # of PKCE, RFC 7636


class Choice(NamedTuple):
    """A question to the user: which of these ids, each with its name."""

    what: str  # one of the connection's ``choices``
    names: Mapping[str, str]


class NotConnected(Exception):
    """Why there is no token: the network's words, or ours."""


Steps = Generator[Request | Choice, Response | str, dict[str, str]]
"""Yields requests, is sent their answers; yields choices, is sent the id chosen; returns settings of the account."""


class Connection(ABC):
    """A network's way to a token; pure."""

    choices: ClassVar[tuple[str, ...]] = ()  # what the user may be asked to pick, in order
    codes: ClassVar[tuple[str, ...]] = ("code",)  # what the query of the callback may call the code
    is_complete: ClassVar[bool] = True  # whether the settings it leads to are all that an account needs
    registered: ClassVar[str]  # where the user registers the address of the callback

    @abstractmethod
    def authorization_url(self, app: App) -> str:
        """Where the user allows the app."""

    @abstractmethod
    def steps(self, app: App, code: str, base_url: str | None) -> Steps:
        """From the code to the settings. May raise NotConnected. ``base_url``: as the setting."""
