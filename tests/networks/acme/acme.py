"""A network as small as one can be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, ClassVar

from target_adpostbacks.core import match_keys as keys
from target_adpostbacks.core.answers import JSON, Outcome, Request, Response, Skip, Verdict, by_code, by_status
from target_adpostbacks.core.conversion import EVENT_SOURCES, Conversion
from target_adpostbacks.core.network import Limits, Network
from target_adpostbacks.core.payloads import prune
from target_adpostbacks.core.settings import Settings, doc


class AcmeSettings(Settings, frozen=True, kw_only=True):
    pixel: Annotated[str, doc("The pixel's id.", where="Acme Ads > Pixels", example="pixel-1")]
    access_token: Annotated[
        str, doc("Token of the API.", where="Acme Ads > Tokens", example="example-access-token", secret=True)
    ]


class Acme(Network[AcmeSettings]):
    name = "acme"
    title = "Acme"
    docs = "https://acme.example.com/docs"
    aliases = ("acme ads",)
    settings_type = AcmeSettings
    events: ClassVar[Mapping[str, str | None]] = {"purchase": "buy", "ad_click": None}
    standard_events = frozenset({"buy"})
    click_ids = ids = ("acmeid",)
    click_id_example = "acme-"
    assets: ClassVar[Mapping[str, str]] = dict.fromkeys(EVENT_SOURCES, "pixel")
    match_rules: ClassVar[Mapping[str, str]] = dict.fromkeys(EVENT_SOURCES, "acmeid or email")
    match_columns: ClassVar[Mapping[str, str]] = {"email": "email"}
    request_limits = Limits(events=100)
    max_age = timedelta(days=3)
    max_ahead = timedelta(minutes=1)
    dedup_window = timedelta(hours=48)
    codes: ClassVar[Mapping[str, Verdict]] = {"taken": Verdict.ACCEPTED, "wrong": Verdict.REJECTED}
    advice: ClassVar[Mapping[str, str]] = {"wrong": "Correct the event."}

    def envelope(self, conversion: Conversion) -> dict[str, JSON]:
        return prune({"pixel": self.asset(conversion), "test": self.test_code(conversion)})

    def payload(self, conversion: Conversion) -> JSON:
        c = conversion
        user = prune({"acmeid": self.click_id(c), "email": keys.first_hashed(c.email, keys.email)})
        if not user:
            raise Skip("no_match_key", f"needed: {self.match_rules[c.event_source]}")
        happened = int(c.event_time.timestamp())
        return prune({"id": c.event_id, "event": self.event(c), "at": happened, "user": user, "value": c.value})

    def match_keys(self, payload: Mapping[str, JSON]) -> Iterable[str]:
        return [*payload["user"]]

    def request(self, envelope: Mapping[str, JSON], payloads: Sequence[JSON]) -> Request:
        headers = {"Authorization": f"Bearer {self.settings.access_token}", "Content-Type": "application/json"}
        return Request(
            url=self.url("https://acme.example.com/acme"), headers=headers, body={**envelope, "events": payloads}
        )

    def outcomes(self, response: Response, count: int) -> list[Outcome]:
        code = str(response.body.get("code") or "") if isinstance(response.body, Mapping) else ""
        verdict = by_code(code, response.status, self.codes) if code else by_status(response.status)
        if verdict is Verdict.ACCEPTED and not code:
            verdict = Verdict.TRANSIENT
        return [Outcome(verdict, code, shared=True)] * count


NETWORK = Acme
