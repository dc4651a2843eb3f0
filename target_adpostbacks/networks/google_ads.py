"""Google Ads, by the Data Manager API or by the Google Ads API's uploads.

https://developers.google.com/data-manager/api
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

import msgspec

from target_adpostbacks.core import phones
from target_adpostbacks.core.answers import (
    JSON,
    Access,
    Counted,
    Flow,
    Outcome,
    Request,
    Response,
    Send,
    Skip,
    Verdict,
)
from target_adpostbacks.core.conversion import EVENT_SOURCES, Conversion
from target_adpostbacks.core.events import ByEvent, EventTable
from target_adpostbacks.core.network import Limits, Network
from target_adpostbacks.core.payloads import prune
from target_adpostbacks.core.urls import click_urls, query_value
from target_adpostbacks.networks._google_ads import data_manager, errors, oauth, person, uploads
from target_adpostbacks.networks._google_ads.connecting import GoogleConnection
from target_adpostbacks.networks._google_ads.settings import OAUTH, GoogleAdsSettings, action_id, digits

MOST_DESTINATIONS = 10
"""Conversion actions in a request of the Data Manager API."""
COOKIES = {"_gcl_aw": "gclid", "FPGCLAW": "gclid", "_gcl_ag": "gbraid"}
"""What Google's tag keeps on the advertiser's site, and the click id in it."""
NEVER: Mapping[str, str | None] = dict.fromkeys(("ad_click", "ad_impression"))

_IN_COOKIE = re.compile(r"GCL\.[0-9]+\.(?:.*\.)?([^.]+)|[0-9.]+k([^$]+)\$i.*").fullmatch


class GoogleAds(Network[GoogleAdsSettings]):
    name = "google_ads"
    title = "Google Ads"
    aliases = ("google ads", "google", "adwords", "google adwords", "googleads")
    docs = "https://developers.google.com/data-manager/api"
    settings_type = GoogleAdsSettings
    events: ClassVar[Mapping[str, str | None]] = {
        "purchase": "PURCHASE",
        "game_launch": "ENGAGEMENT",
        "install": "DOWNLOAD",
        "session_start": "ENGAGEMENT",
        "sign_up": "SIGNUP",
        "lead": "SUBMIT_LEAD_FORM",
        "email_acquired": "SUBMIT_LEAD_FORM",
        "add_to_cart": "ADD_TO_CART",
        "wishlist_add": "ENGAGEMENT",
        "wishlist_remove": "ENGAGEMENT",
        "begin_checkout": "BEGIN_CHECKOUT",
        "add_payment_info": "ENGAGEMENT",
        "view_content": "PAGE_VIEW",
        "search": "ENGAGEMENT",
        "start_trial": "ENGAGEMENT",
        "subscribe": "SUBSCRIBE_PAID",
        "contact": "CONTACT",
        "download": "DOWNLOAD",
        "schedule": "BOOK_APPOINTMENT",
        "submit_application": "SUBMIT_LEAD_FORM",
        "level_achieved": "ENGAGEMENT",
        "tutorial_complete": "ENGAGEMENT",
        "ad_click": None,
        "ad_impression": None,
        "page_view": "PAGE_VIEW",
    }
    links: ClassVar[Mapping[str, str]] = {
        "campaign_id": "{campaignid}",
        "ad_group_id": "{adgroupid}",
        "ad_id": "{creative}",  # the ad's id
        "placement": "{placement}",
    }
    link_field = "campaign settings > Campaign URL options > Final URL suffix"
    link_is_query = True
    click_ids = ("gclid", "gbraid", "wbraid")
    click_id_example = "EAIaIQobChMI_example_"
    click_id_form = r"EAIaIQob|C[ij][0w]?KC|0AAAA"
    ids = (*click_ids, "dclid", *COOKIES)
    standard_events = frozenset()
    event_kind = "category of its conversion action"
    assets: ClassVar[Mapping[str, str]] = dict.fromkeys(EVENT_SOURCES, "customer_id")
    match_rules: ClassVar[Mapping[str, str]] = dict.fromkeys(
        EVENT_SOURCES,
        "gclid, gbraid, wbraid, email or phone; by the Data Manager API also first_name with last_name, country and"
        " postal_code, or properties.session_attributes",
    )
    match_columns: ClassVar[Mapping[str, str]] = {"email": "email", "phone": "phone"}
    match_properties = ("session_attributes",)
    consent_signals = frozenset({"ad_user_data", "ad_personalization"})
    takes_denied = frozenset({"ad_personalization"})
    tests_without_code = True
    connection = GoogleConnection()
    request_limits = Limits(events=2000, bytes=5_000_000)
    max_age = timedelta(days=90)
    max_ahead = timedelta(minutes=5)
    dedup_window = timedelta(days=90)
    counts_within = "the conversion action's window, 90 days of a click at most"
    codes: ClassVar[Mapping[str, Verdict]] = {
        **uploads.CODES,
        **dict.fromkeys(sorted(data_manager.OF_THE_ACCOUNT), Verdict.CREDENTIALS),
        "CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE": Verdict.CREDENTIALS,
        **dict.fromkeys(("invalid_client", "invalid_grant"), Verdict.CREDENTIALS),
        **dict.fromkeys(
            ("INVALID_CONVERSION_ACTION_TYPE", "NO_CONVERSION_ACTION_FOUND", "UNSUPPORTED_VERSION"), Verdict.REJECTED
        ),
        "INTERNAL_ERROR": Verdict.TRANSIENT,
        **dict.fromkeys(("RESOURCE_EXHAUSTED", "RESOURCE_TEMPORARILY_EXHAUSTED"), Verdict.THROTTLED),
    }
    statuses = errors.STATUSES
    throttled_seconds = 5
    counted_after = timedelta(minutes=30)
    advice: ClassVar[Mapping[str, str]] = {
        "invalid_grant": "Consent again for a new refresh_token: this one has expired or was revoked.",
        "invalid_client": "Compare oauth_client_id and oauth_client_secret with the Google Cloud console.",
        "USER_PERMISSION_DENIED": "Give the user or service account access to customer_id, or set login_customer_id.",
        "ACCESS_TOKEN_SCOPE_INSUFFICIENT": "Consent again, with the scope of the API that the setting api names.",
        "SERVICE_DISABLED": "Enable the API in the Google Cloud project of the OAuth client or service account.",
        "CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE": "Remove api: uploads are closed to newcomers since June 2026.",
        "TERMS_AND_CONDITIONS_NOT_SIGNED": "Accept the customer data terms in Google Ads.",
        "CUSTOMER_NOT_ACCEPTED_CUSTOMER_DATA_TERMS": "Accept the customer data terms in Google Ads.",
        "CUSTOMER_NOT_ENABLED_ENHANCED_CONVERSIONS_FOR_LEADS": "Switch on enhanced conversions for leads.",
        "NO_CONVERSION_ACTION_FOUND": "Compare conversion_actions with Google Ads; customer_id has to own them.",
        "INVALID_CONVERSION_ACTION_TYPE": "Take a conversion action of the type Import, or Website to add to a tag.",
        "UNSUPPORTED_VERSION": "Set api_version to one that Google still serves.",
        "TOO_RECENT_EVENT": "Nothing to do: Google takes it six hours after the click, and a later run sends it.",
        "TOO_RECENT_CONVERSION_ACTION": "Nothing to do: a new conversion action takes conversions after six hours.",
        "RESOURCE_EXHAUSTED": "Lower requests_per_second; the next run sends what is open.",
    }

    def __init__(self, settings: GoogleAdsSettings, preset: EventTable | None = None, account: str = "default") -> None:
        super().__init__(settings, preset, account)
        self._readings["email"] = lambda raw, conversion: person.digest_of_base64(raw) or person.email(raw)
        self._uploads = settings.api == "google_ads"
        self._customer_id = digits(settings.customer_id)
        self._default_action = settings.default_conversion_action and action_id(settings.default_conversion_action)
        named = {event: action_id(action) for event, action in settings.conversion_actions.items()}
        self._actions = ByEvent(named)
        actions = sorted({*named.values(), self._default_action or ""} - {""})
        # With more actions than a request may name, each request has some of them.
        self._groups = {action: at // MOST_DESTINATIONS for at, action in enumerate(actions)}

    @classmethod
    def receivers(cls, settings: Mapping[str, Any]) -> Mapping[str, str]:
        return {name: digits(asset) for name, asset in super().receivers(settings).items()}

    def asset_of(self, event_source: str) -> str:
        return self._customer_id

    def age_limit(self, conversion: Conversion) -> timedelta:
        return timedelta(days=54) if conversion.adjustment and self._uploads else self.max_age

    def adjusts(self, conversion: Conversion) -> bool:
        return self._uploads or conversion.adjustment == "restate"

    def redated(self, payload: bytes, adjusted_at: datetime) -> bytes:
        if not self._uploads:
            return payload
        return msgspec.json.encode({**msgspec.json.decode(payload), "adjustmentDateTime": uploads.time(adjusted_at)})

    def canonical_events(self, conversion: Conversion) -> Mapping[str, str | None]:
        return NEVER

    def custom_event(self, name: str, conversion: Conversion) -> str:
        """The conversion action that receives it: Google knows no names of events."""
        if conversion.event_name in NEVER:
            raise Skip("event_off", "an ad's clicks and impressions are no conversions")
        action = self._actions.get(name) or self._default_action
        if action is None:
            raise Skip("event_off", "no conversion action; add one to conversion_actions, or default_conversion_action")
        return action

    def click(self, conversion: Conversion) -> tuple[str, str] | None:
        """One click id and its name: gclid before gbraid before wbraid, whose presence together is refused."""
        c = conversion
        for name in self.click_ids:
            if click_id := c.ids.get(name):
                return name, _out_of_cookie(click_id)
        if c.click_id and c.network in (self.name, *self.aliases):
            return "gclid", _out_of_cookie(c.click_id)
        for cookie, name in COOKIES.items():
            if kept := c.ids.get(cookie):
                return name, _out_of_cookie(kept)
        for url in click_urls(c):
            for name in self.click_ids:
                if click_id := query_value(url, name):
                    return name, click_id
        return None

    def envelope(self, conversion: Conversion) -> dict[str, JSON]:
        envelope: dict[str, JSON] = {"validate_only": conversion.test}
        if self._uploads:
            envelope["method"] = uploads.ADJUSTMENTS if conversion.adjustment else uploads.CONVERSIONS
        elif group := self._groups.get(self.event(conversion)):
            envelope["group"] = group
        return envelope

    def payload(self, conversion: Conversion) -> JSON:
        c, settings = conversion, self.settings
        if c.click_time and c.click_time - c.event_time > timedelta(seconds=settings.click_time_tolerance_seconds):
            raise Skip("before_click", "event_time is before click_time; are both in the same time zone?")
        if c.ad_user_data is None and settings.default_ad_user_data == "denied":
            raise Skip("no_consent", "default_ad_user_data is denied, and the record says nothing else")
        if c.adjustment == "restate" and c.value is None:
            raise Skip("unsupported", "the correction lacks its new value and currency; map both columns")
        action, click = self.event(c), self.click(c)
        order_id = f"{settings.transaction_id_prefix or ''}{c.order_id or c.event_id}"
        if not self._uploads:
            event = data_manager.payload(c, settings, action, click, order_id)
            if not data_manager.is_matchable(event, settings):
                raise Skip("no_match_key", f"needed: {self.match_rules[c.event_source]}")
            return event
        if c.adjustment:
            return uploads.adjustment(c, settings, action, order_id)
        row = uploads.conversion(c, settings, action, click, order_id)
        if not (click or "userIdentifiers" in row):
            raise Skip("no_match_key", f"needed: {self.match_rules[c.event_source]}")
        return row

    def phone(self, raw: str, country_codes: tuple[str, ...]) -> str | None:
        return person.digest_of_base64(raw) or phones.e164(raw, country_codes)

    def match_keys(self, payload: Mapping[str, JSON]) -> Iterable[str]:
        return uploads.match_keys(payload) if self._uploads else data_manager.match_keys(payload)

    def once(self, payload: Mapping[str, JSON]) -> str:
        if self._uploads:
            return f"{payload['conversionAction']} {payload['orderId']}"
        return f"{payload['destinationReferences'][0]} {payload['transactionId']}"

    def unusable(self, conversion: Conversion, sent: Collection[str]) -> Iterable[str]:
        return () if conversion.adjustment and self._uploads else super().unusable(conversion, sent)

    def request(self, envelope: Mapping[str, JSON], payloads: Sequence[JSON]) -> Request:
        settings, validate_only = self.settings, envelope["validate_only"]
        headers = {"Content-Type": "application/json"}
        if not self._uploads:
            consent = data_manager.default_consent(settings)
            body = data_manager.request_body(settings, payloads, consent, validate_only=validate_only)
            return Request(url=self.url(data_manager.URL), headers={**headers, **self._quota()}, body=body)
        method = envelope["method"]
        rows = "conversions" if method == uploads.CONVERSIONS else "conversionAdjustments"
        says_whether = validate_only or method == uploads.CONVERSIONS
        return Request(
            url=self.url(
                uploads.URL.format(api_version=settings.api_version, customer_id=self._customer_id, method=method)
            ),
            headers=prune(
                {
                    **headers,
                    "login-customer-id": settings.login_customer_id and digits(settings.login_customer_id),
                    "developer-token": settings.developer_token,
                }
            ),
            body={rows: payloads, "partialFailure": True} | ({"validateOnly": validate_only} if says_whether else {}),
        )

    def _quota(self) -> dict[str, str]:
        return {"x-goog-user-project": self.settings.quota_project} if self.settings.quota_project else {}

    def outcomes(self, response: Response, count: int) -> list[Outcome]:
        return uploads.outcomes(response, count) if self._uploads else data_manager.outcomes(response, count)

    def outcomes_of_test(self, response: Response, count: int) -> list[Outcome]:
        return uploads.outcomes(response, count, validated=True) if self._uploads else self.outcomes(response, count)

    def request_id(self, response: Response) -> str:
        return uploads.request_id(response) if self._uploads else data_manager.request_id(response)

    def retry_after(self, response: Response) -> str:
        return super().retry_after(response) or next(filter(None, uploads.delays(response)), "")

    def credentials(self) -> tuple[str, ...]:
        settings = self.settings
        secrets = (
            [settings.service_account_json] if settings.service_account_json else [getattr(settings, x) for x in OAUTH]
        )
        return (self._scope(), *filter(None, secrets))

    def sign_in(self, send: Send) -> Access:
        return oauth.sign_in(self.settings, self._scope(), self.url, send)

    def _scope(self) -> str:
        return uploads.SCOPE if self._uploads else data_manager.SCOPE

    def counted(self, request_id: str) -> Flow[Counted | Outcome] | None:
        if self._uploads:
            return None
        return data_manager.counted(
            Request(
                url=self.url(data_manager.STATUS_URL),
                method="GET",
                query={"requestId": request_id},
                headers=self._quota(),
            )
        )


def _out_of_cookie(written: str) -> str:
    """``'GCL.1763640062.EAIaI'``, ``'2.1.kEAIaI$i1763640062'`` -> ``'EAIaI'``; a click id as it is."""
    kept = _IN_COOKIE(written)
    return (kept[1] or kept[2]) if kept else written


NETWORK = GoogleAds
