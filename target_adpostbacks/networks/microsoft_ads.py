"""Microsoft Advertising, by the UET Conversions API or by its offline conversions.

https://learn.microsoft.com/en-us/advertising/guides/uet-conversion-api-integration
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

import msgspec

from target_adpostbacks.core.answers import JSON, Access, Flow, Outcome, Request, Response, Send, Skip, Verdict
from target_adpostbacks.core.conversion import EVENT_SOURCES, Conversion
from target_adpostbacks.core.disclosure import Disclosure
from target_adpostbacks.core.events import ByEvent, EventTable
from target_adpostbacks.core.network import Network
from target_adpostbacks.networks._microsoft_ads import capi, offline, person
from target_adpostbacks.networks._microsoft_ads.settings import MOST_CHARACTERS, MicrosoftAdsSettings

NOT_A_CLICK_ID = "msclkid: not 32 hexadecimal digits"


class MicrosoftAds(Network[MicrosoftAdsSettings]):
    name = "microsoft_ads"
    title = "Microsoft Advertising"
    aliases = ("microsoft ads", "microsoft", "microsoft advertising", "bing", "bing ads", "bing_ads")
    docs = "https://learn.microsoft.com/en-us/advertising/guides/uet-conversion-api-integration"
    settings_type = MicrosoftAdsSettings
    events: ClassVar[Mapping[str, str | None]] = {
        "purchase": "purchase",
        "game_launch": "game_launch",
        "install": "install",
        "session_start": "session_start",
        "sign_up": "signup",
        "lead": "submit_lead_form",
        "email_acquired": "submit_lead_form",
        "add_to_cart": "add_to_cart",
        "wishlist_add": "add_to_wishlist",
        "wishlist_remove": "wishlist_remove",
        "begin_checkout": "begin_checkout",
        "add_payment_info": "add_payment_info",
        "view_content": "view_item",
        "search": "search",
        "start_trial": "start_trial",
        "subscribe": "subscribe",
        "contact": "contact",
        "download": "download",
        "schedule": "book_appointment",
        "submit_application": "submit_application",
        "level_achieved": "level_achieved",
        "tutorial_complete": "tutorial_complete",
        "ad_click": None,
        "ad_impression": None,
        "page_view": capi.PAGE_LOAD,
    }
    links: ClassVar[Mapping[str, str]] = {
        "campaign_name": "{Campaign}",
        "campaign_id": "{CampaignId}",
        "ad_group_id": "{AdGroupId}",
        "ad_id": "{AdId}",
    }
    link_field = "campaign settings > Campaign URL options > Final URL suffix"
    link_is_query = True
    click_ids = ("msclkid",)
    click_id_example = "cdd4afcccb1c9a4cad9544dd7e5006d5"
    ids = (*click_ids, "anonymous_id")
    standard_events = frozenset({capi.PAGE_LOAD})
    assets: ClassVar[Mapping[str, str]] = dict.fromkeys(EVENT_SOURCES, "uet_tag_id")
    match_rules: ClassVar[Mapping[str, str]] = dict.fromkeys(
        EVENT_SOURCES, f"{capi.MATCH_RULE}; by offline conversions {offline.MATCH_RULE}"
    )
    match_columns: ClassVar[Mapping[str, str]] = {"email": "em", "phone": "ph"}
    consent_signals = frozenset({"ad_storage"})
    request_limits = capi.LIMITS
    max_age = timedelta(days=7)
    max_ahead = timedelta(0)
    dedup_window = timedelta(hours=48)  # not documented (unconfirmed)
    counts_within = "the goal's window, 30 days of a click by default and 90 at most"
    codes: ClassVar[Mapping[str, Verdict]] = {
        **dict.fromkeys(("Unauthorized", "invalid_grant", "invalid_client"), Verdict.CREDENTIALS),
        **offline.CODES,
    }
    advice: ClassVar[Mapping[str, str]] = {
        "Unauthorized": "Copy api_token again: it belongs to its UET tag alone, and is no developer token.",
        "401": "Copy api_token again; offline conversions: consent again for a new refresh_token.",
        "403": "Give the user access to the account, or take the token of this UET tag.",
        "404": "Compare uet_tag_id with Microsoft Advertising: there is no such tag.",
        "429": "Lower requests_per_second; the next run sends what is open.",
        "invalid_grant": "Consent again and set refresh_token: it has ended or was revoked, and the kept one too.",
        "invalid_client": "Compare client_id and client_secret with the app registration in Azure.",
        "105": "Compare developer_token, and consent again: Microsoft does not know the credentials.",
        "106": "Give the user of refresh_token access to account_id.",
        "109": "Consent again and set refresh_token.",
        "117": "Lower requests_per_second; the next run sends what is open.",
        "207": "Lower concurrency; the next run sends what is open.",
        "208": "Compare customer_id and account_id with the address of a page of Microsoft Advertising.",
        "5601": "Nothing to do: a smaller request is tried.",
        "5613": "Ask Microsoft to open offline conversions for the customer.",
        "5615": "Take a goal of the type Offline in conversion_names.",
        "5616": "Nothing to do: it lies before the click. Set default_timezone if your times are local ones.",
    }

    advice_by_words: ClassVar[Mapping[str, str]] = {
        "refresh_token_path:": "Name a file in a folder that this user may write to; then nothing else has to be done."
    }

    def __init__(
        self, settings: MicrosoftAdsSettings, preset: EventTable | None = None, account: str = "default"
    ) -> None:
        super().__init__(settings, preset, account)
        self._is_offline = settings.api == "offline_conversions"
        self.refresh_token_path = settings.refresh_token_path if self._is_offline else None
        self.throttled_seconds = offline.THROTTLED_SECONDS if self._is_offline else 5
        self.too_old = "" if self._is_offline else "api: offline_conversions takes events of the last 90 days"
        tells_denied = not (self._is_offline or settings.skip_denied)
        self.takes_denied = frozenset({"ad_storage"}) if tells_denied else frozenset()
        self.denials = () if tells_denied else ("limited_data_use", "opt_out")
        hidden = msgspec.structs.replace(settings, match_keys=capi.KEPT_IF_DENIED, ip_address="drop")
        self._denied = Disclosure(hidden, (), self.ids)
        self._goals = ByEvent({event: goal.strip() for event, goal in settings.conversion_names.items()})

    @classmethod
    def receivers(cls, settings: Mapping[str, Any]) -> Mapping[str, str]:
        setting = "account_id" if settings.get("api") == "offline_conversions" else "uet_tag_id"
        return {setting: settings[setting]} if settings.get(setting) else {}

    def asset_of(self, event_source: str) -> str:
        return (self.settings.account_id if self._is_offline else self.settings.uet_tag_id) or ""

    def age_limit(self, conversion: Conversion) -> timedelta:
        return offline.MAX_AGE if self._is_offline else self.max_age

    def resend_window(self, conversion: Conversion) -> timedelta | None:
        """Offline a click counts once at a time, and a person as often as it is sent."""
        if not self._is_offline:
            return self.dedup_window
        return offline.MAX_AGE if self._click_id(conversion) else None

    @property
    def longest_age(self) -> timedelta:
        return offline.MAX_AGE if self._is_offline else self.max_age

    @property
    def longest_dedup(self) -> timedelta | None:
        return offline.MAX_AGE if self._is_offline else self.dedup_window

    def limits_data_use(self, conversion: Conversion) -> bool:
        """As a denied ``ad_storage``, where denied events are sent."""
        return bool(self.takes_denied)

    def native_events(self, conversion: Conversion) -> frozenset[str]:
        return frozenset() if self._is_offline else self.standard_events

    def canonical_events(self, conversion: Conversion) -> Mapping[str, str | None]:
        return {} if self._is_offline else self.events

    def custom_event(self, name: str, conversion: Conversion) -> str:
        """The name as a goal's Action has it; offline, the goal of the event that the record tells of."""
        if self._is_offline:
            goal = self._goals.get(conversion.event_spelling)
            if goal is None:
                raise Skip("event_off", "no offline goal; add one to conversion_names")
            return goal
        text = name.strip()
        if not 0 < len(text) <= MOST_CHARACTERS:
            raise Skip("unsupported", f"an event's name has 1 to {MOST_CHARACTERS} characters")
        return text

    def click(self, conversion: Conversion) -> tuple[str, str] | None:
        found = super().click(conversion)
        bare = found and person.bare_click_id(found[1])
        return (self.click_ids[0], bare) if bare else None

    def _click_id(self, conversion: Conversion) -> str | None:
        """A click id that Microsoft can have given."""
        click_id = self.click_id(conversion)
        return click_id if click_id and person.is_click_id(click_id) else None

    def envelope(self, conversion: Conversion) -> dict[str, JSON]:
        self.test_code(conversion)  # raises for a test: there is no test tool
        return {}

    def payload(self, conversion: Conversion) -> JSON:
        c, settings = conversion, self.settings
        event, click_id = self.event(c), self._click_id(c)
        if self._is_offline:
            return offline.payload(c, settings, event, click_id)
        if capi.consent(c, settings) == "D":
            c, click_id = self._denied(c), None
        return capi.payload(c, settings, event, click_id)

    def match_keys(self, payload: Mapping[str, JSON]) -> Iterable[str]:
        return offline.match_keys(payload) if self._is_offline else capi.match_keys(payload)

    def unusable(self, conversion: Conversion, sent: Collection[str]) -> Iterable[str]:
        if not self._is_offline and capi.consent(conversion, self.settings) == "D":
            return
        yield from super().unusable(conversion, sent)
        if "msclkid" not in sent and self.click_id(conversion):
            yield NOT_A_CLICK_ID

    def request(self, envelope: Mapping[str, JSON], payloads: Sequence[JSON]) -> Request:
        made = offline.request if self._is_offline else capi.request
        return made(self._at(), self.settings, payloads)

    def _at(self) -> str:
        return self.url(offline.URL if self._is_offline else capi.place(self.settings))

    def outcomes(self, response: Response, count: int) -> list[Outcome]:
        return offline.outcomes(response, count) if self._is_offline else capi.outcomes(response, count)

    def warning(self, response: Response) -> str:
        return "" if self._is_offline else capi.warning(response)

    def request_id(self, response: Response) -> str:
        return offline.request_id(response) if self._is_offline else capi.request_id(response)

    def credentials(self) -> tuple[str, ...]:
        if not self._is_offline:
            return ()
        s = self.settings
        return tuple(text or "" for text in (s.client_id, s.client_secret, s.refresh_token, s.refresh_token_path))

    def sign_in(self, send: Send) -> Access:
        return offline.sign_in(self.url(offline.TOKEN_URL), self.settings, send)

    def ended(self, response: Response) -> bool:
        return offline.ended(response)

    def check(self) -> Flow[Outcome] | None:
        return offline.check(self._at(), self.settings) if self._is_offline else capi.check(self._at(), self.settings)


NETWORK = MicrosoftAds
