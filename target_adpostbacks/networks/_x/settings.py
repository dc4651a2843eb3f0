"""The section ``x`` of the config."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from target_adpostbacks.core.settings import PhoneSettings, doc

OAUTH = ("consumer_key", "consumer_secret", "access_token", "access_token_secret")

_PIXEL_ID = re.compile(r"[0-9a-z]{3,12}").fullmatch
_EVENT_ID = re.compile(r"[0-9a-z]{3,12}|tw-[0-9a-z]+-[0-9a-z]+").fullmatch


class XSettings(PhoneSettings, frozen=True, kw_only=True):
    pixel_id: Annotated[
        str,
        doc(
            "The pixel's id, letters and digits.",
            where="ads.x.com > Tools > Events Manager > the pixel's event source",
            example="o8z6j",
        ),
    ]
    event_ids: Annotated[
        Mapping[str, str],
        doc(
            "Your event names to the events of the account that receive them, `tw-o8z6j-o87ne` or `o87ne` alone. An"
            " event without one is skipped, `event_off`.",
            where="Events Manager > the event > Install with Conversion API",
            example={"purchase": "tw-o8z6j-o87ne", "lead": "tw-o8z6j-ol288"},
        ),
    ]
    pixel_token: Annotated[
        str | None,
        doc(
            "Access token of the pixel.",
            where="Events Manager > Install Pixel > Manual > Conversion API > Generate access token",
            example="example-pixel-token",
            secret=True,
        ),
    ] = None
    consumer_key: Annotated[
        str | None,
        doc(
            "In place of pixel_token, with the three below: OAuth 1.0a of an app with access to the Ads API. Its user"
            " has to be AD_MANAGER or ACCOUNT_ADMIN of the ad account.",
            where="X's developer console > the app > Keys and tokens",
            secret=True,
        ),
    ] = None
    consumer_secret: Annotated[str | None, doc("Its secret.", where="the same page", secret=True)] = None
    access_token: Annotated[str | None, doc("The user's token.", where="the same page", secret=True)] = None
    access_token_secret: Annotated[str | None, doc("Its secret.", where="the same page", secret=True)] = None
    test_event_ids: Annotated[
        Mapping[str, str],
        doc(
            "Like event_ids, for records with `test: true`: X has no test tool, so they go to events made for tests.",
            where="Events Manager > the event made for tests",
            example={"purchase": "tw-o8z6j-test1"},
        ),
    ] = {}
    api_version: Annotated[str, doc("Version of the Ads API.")] = "12"
    default_currency: Annotated[str | None, doc("Currency of values that have none, `EUR` for example.")] = None
    conversion_id_from: Annotated[
        Literal["event_id", "order_id"],
        doc("What X deduplicates by: choose what the pixel sends. A record without an order id: `event_id`."),
    ] = "event_id"

    def problems(self) -> Iterable[str]:
        yield from super().problems()
        if not _PIXEL_ID(self.pixel_id):
            yield "pixel_id: 3 to 12 small letters and digits expected, as Events Manager shows it"
        if not self.event_ids:
            yield "event_ids: missing; map your event names to events of the account"
        for setting in ("event_ids", "test_event_ids"):
            for event, event_id in getattr(self, setting).items():
                if not _EVENT_ID(event_id):
                    yield f"{setting}.{event}: an event's id expected, tw-o8z6j-o87ne or o87ne"
        if not re.fullmatch(r"[0-9]+", self.api_version):
            yield "api_version: digits expected, 12"
        if self.default_currency and not re.fullmatch(r"[A-Z]{3}", self.default_currency):
            yield "default_currency: three capital letters expected, EUR"
        yield from self._credential_problems()

    def _credential_problems(self) -> Iterable[str]:
        present = [name for name in OAUTH if getattr(self, name)]
        for name in ("pixel_token", *present):
            if re.search(r"\s", getattr(self, name) or ""):
                yield f"{name}: has white space in it; was it copied whole?"
        if self.pixel_token and present:
            yield f"pixel_token: stands beside {', '.join(present)}; keep one way to sign in"
        elif not self.pixel_token and len(present) < len(OAUTH):
            for name in [name for name in OAUTH if name not in present] if present else ["pixel_token"]:
                yield f"{name}: missing; an account signs in with pixel_token, or with {', '.join(OAUTH)}"

    def hints(self) -> Iterable[str]:
        if self.consumer_key:
            yield "consumer_key: OAuth 1.0a is said to end in December 2026; generate a pixel_token"
        if self.access_token and not re.fullmatch(r"[0-9]+-\w+", self.access_token):
            yield "access_token: not digits, a hyphen and letters; was it copied whole?"
