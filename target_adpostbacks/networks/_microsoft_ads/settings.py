"""The section ``microsoft_ads`` of the config."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from target_adpostbacks.core.settings import PhoneSettings, doc

REQUIRED: Mapping[str, tuple[str, ...]] = {
    "capi": ("uet_tag_id", "api_token"),
    "offline_conversions": (
        *("developer_token", "customer_id", "account_id", "client_id", "refresh_token", "conversion_names"),
    ),
}
"""What an account needs for each of the two APIs."""
MOST_CHARACTERS = 100
"""In the name of an event or of a goal."""

_TAG_ID = re.compile(r"[0-9]{5,12}").fullmatch
_ID = re.compile(r"[0-9]{1,19}").fullmatch
_PROVIDER = re.compile(r"[!-~](?:[ -~]{0,62}[!-~])?").fullmatch


class MicrosoftAdsSettings(PhoneSettings, frozen=True, kw_only=True):
    api: Annotated[
        Literal["capi", "offline_conversions"],
        doc(
            "`capi`: the UET Conversions API, for events of the last 7 days. `offline_conversions`: offline goals, for"
            " events of the last 90 days, and for accounts without the Conversions API. An event goes through one of"
            " them alone."
        ),
    ] = "capi"
    uet_tag_id: Annotated[
        str | None,
        doc(
            "Conversions API: the UET tag that receives the events.",
            where="Microsoft Advertising > Conversion tracking > UET tag",
            example="97654321",
        ),
    ] = None
    api_token: Annotated[
        str | None,
        doc(
            "Conversions API: the tag's own token. Where there is no such option, the account is not open to that API.",
            where="UET tag > Set up tagging > Use Conversions API, or Send events from your server",
            example="example-api-token",
            secret=True,
        ),
    ] = None
    developer_token: Annotated[
        str | None,
        doc(
            "Offline conversions: token of the developer account.",
            where="Microsoft Advertising's developer portal",
            secret=True,
        ),
    ] = None
    customer_id: Annotated[
        str | None,
        doc("Offline conversions: digits.", where="`cid=` in the address of a page of Microsoft Advertising"),
    ] = None
    account_id: Annotated[
        str | None,
        doc(
            "Offline conversions: digits; the account that owns the goals.",
            where="`aid=` in the address of a page of Microsoft Advertising",
        ),
    ] = None
    client_id: Annotated[
        str | None,
        doc("Offline conversions: the application that a user has consented to.", where="Azure > App registrations"),
    ] = None
    client_secret: Annotated[
        str | None,
        doc("Its secret, for web applications only.", where="the same page", secret=True),
    ] = None
    refresh_token: Annotated[
        str | None,
        doc(
            "Offline conversions: the first refresh token. Microsoft gives a new one with every sign-in.",
            where="the OAuth consent of a user of the account, scope https://ads.microsoft.com/msads.manage"
            " offline_access",
            secret=True,
        ),
    ] = None
    refresh_token_path: Annotated[
        str | None,
        doc(
            "A file that keeps the newest refresh token, readable by its owner alone. Once it exists, its token goes"
            " before `refresh_token`. Default: a new one is kept for the run, and you are told that there is one."
        ),
    ] = None
    conversion_names: Annotated[
        Mapping[str, str],
        doc(
            "Offline conversions: your event names to the names of the offline goals that count them. An event without"
            " one is skipped, `event_off`. Microsoft ignores a name that no goal has, without a word.",
            where="Microsoft Advertising > Conversion goals",
        ),
    ] = {}
    ad_storage_consent: Annotated[
        Literal["G", "D"] | None,
        doc(
            "Conversions API: consent of records that do not say it with `ad_storage`, `G` granted or `D` denied."
            " Default: it is not told, which counts as granted."
        ),
    ] = None
    skip_denied: Annotated[
        bool,
        doc(
            "true: with `ad_storage` denied nothing is sent, `no_consent`. false: the Conversions API gets the event as"
            " denied, without what identifies the person but `external_id` and `anonymous_id`."
        ),
    ] = True
    data_provider: Annotated[
        str, doc("Conversions API: the name of what sends, which Microsoft keeps with the events.")
    ] = "target-adpostbacks"
    continue_on_validation_error: Annotated[
        bool,
        doc("Conversions API: true: one bad event leaves the others of its request in. false: it refuses them all."),
    ] = True

    def problems(self) -> Iterable[str]:
        yield from super().problems()
        for name in REQUIRED[self.api]:
            if not getattr(self, name):
                yield f"{name}: missing; an account of api: {self.api} needs {', '.join(REQUIRED[self.api])}"
        if self.api_token and len(self.api_token.split()) > 1:
            yield "api_token: a token without spaces expected; copy it alone"
        for name in ("customer_id", "account_id"):
            if (value := getattr(self, name)) and not _ID(value):
                yield f"{name}: digits expected, as in the address of a page of Microsoft Advertising"
        for event, goal in self.conversion_names.items():
            if not 0 < len(goal.strip()) <= MOST_CHARACTERS:
                yield f"conversion_names.{event}: a goal's name of 1 to {MOST_CHARACTERS} characters expected"
        if not _PROVIDER(self.data_provider):
            yield "data_provider: 1 to 64 characters of ASCII expected"

    def hints(self) -> Iterable[str]:
        if self.uet_tag_id and self.api == "capi" and not _TAG_ID(self.uet_tag_id):
            yield "uet_tag_id: not 5 to 12 digits; is it the tag's number?"
        if self.event_map and self.api == "offline_conversions":
            yield "event_map: names no goals; conversion_names says which event goes to which"
