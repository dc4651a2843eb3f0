"""OpenAI Ads Conversions API v1, for ads in ChatGPT. https://developers.openai.com/ads/conversions-api"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Any, ClassVar

from target_adpostbacks.core import match_keys as keys
from target_adpostbacks.core import mobile, phones
from target_adpostbacks.core.answers import JSON, Outcome, Request, Response, Skip, Verdict, by_status
from target_adpostbacks.core.conversion import EVENT_SOURCES, Conversion, Item
from target_adpostbacks.core.memo import remembered
from target_adpostbacks.core.money import decimals
from target_adpostbacks.core.network import Limits, Network
from target_adpostbacks.core.payloads import as_text, prune
from target_adpostbacks.core.properties import passed_on
from target_adpostbacks.core.revenue import completed
from target_adpostbacks.core.settings import PhoneSettings, doc

URL = "https://bzr.openai.com/v1/events"

APP_EVENTS: Mapping[str, str] = {"app_installed": "customer_action", "app_opened": "customer_action"}
DATA_TYPES: Mapping[str, str] = {
    **dict.fromkeys(("page_viewed", "contents_viewed", "items_added", "checkout_started", "order_created"), "contents"),
    **dict.fromkeys(("lead_created", "registration_completed", "appointment_scheduled"), "customer_action"),
    **dict.fromkeys(("subscription_created", "trial_started"), "plan_enrollment"),
    **APP_EVENTS,
}
"""Its own events, and the type of the data that each of them has."""
RESERVED = DATA_TYPES.keys() | {"custom", "attribution_appended"}
WITH_PLAN = frozenset({"plan_enrollment", "custom"})
WITH_CONTENTS = WITH_PLAN | {"contents"}
ACTION_SOURCES: Mapping[str, str] = {"web": "web", "app": "mobile_app", "offline": "offline", "crm": "offline"}

STRONG_KEYS = frozenset({"obref", "emails_sha256", "phone_numbers_sha256", "external_ids_sha256"})  # and oppref
MATCH_RULE = "one of oppref, obref, email, phone, external_id; ip_address and user_agent are not enough"
MOST_VALUES = 3  # of a list it reads no more
MOST_PLACE, MOST_POSTAL_CODE, MOST_NAME = 128, 32, 64  # characters

TAKEN = frozenset(
    "id type customeventname timestampms actionsource sourceurl oppref optout user amount currency contents planid "
    "obref emailssha256 phonenumberssha256 externalidssha256 firstnamessha256 lastnamessha256 countries cities regions "
    "postalcodes androidadvertisingid".split()
)
"""Names that no property of a custom event has, in the form of ``properties.folded``."""

_NOT_IN_NAMES = re.compile(r"[^a-z0-9_-]")
_PHONE = re.compile(r"\+?[0-9\s().\u2010\u2011-]+").fullmatch
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_DECIMALS = re.compile(r"(?<=[0-9])\.0+$")  # of a code that was a number once


class OpenAIAdsSettings(PhoneSettings, frozen=True, kw_only=True):
    pixel_id: Annotated[
        str,
        doc("The pixel's id.", where="Ads Manager > Conversions", example="3kTn8ZrQwV5yLbXcD2mPsA"),
    ]
    api_key: Annotated[
        str,
        doc(
            "Key of the Conversions API. Keys of the general API and of the Advertiser API are refused.",
            where="Ads Manager > Conversions > Manage conversion keys",
            example="sk-svcacct-example-key",
            secret=True,
        ),
    ]
    default_currency: Annotated[
        str | None, doc("Currency of a value whose record has none, `EUR` for example. Default: no amount is sent.")
    ] = None
    integration_source: Annotated[str, doc("What the requests say that they come from.")] = "target-adpostbacks"
    require_strong_id: Annotated[
        bool,
        doc(
            "false: conversions go without `oppref`, `obref`, `email`, `phone` and `external_id`, too. OpenAI takes"
            " them, but nothing tells it whose they are."
        ),
    ] = True

    def problems(self) -> Iterable[str]:
        yield from super().problems()
        if not re.fullmatch(r"[A-Za-z0-9_-]{4,80}", self.pixel_id):
            yield "pixel_id: 4 to 80 letters, digits, _ or -, as Ads Manager > Conversions shows it"
        if self.default_currency and not re.fullmatch(r"[A-Z]{3}", self.default_currency):
            yield "default_currency: three capital letters of ISO 4217 expected, EUR for example"
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", self.integration_source):
            yield "integration_source: up to 64 letters, digits, ., _ or -, the first a letter or digit"

    def hints(self) -> Iterable[str]:
        if not self.api_key.startswith("sk-"):
            yield "api_key: does not begin with sk-; is it a conversion key, and copied whole?"
        for event, name in self.event_map.items():
            if name and name not in DATA_TYPES and not custom_name(name):
                yield f"event_map.{event}: no name that OpenAI takes; such events are skipped, unsupported"


class OpenAIAds(Network[OpenAIAdsSettings]):
    name = "openai_ads"
    title = "OpenAI Ads"
    aliases = ("openai ads", "openai", "chatgpt", "chatgpt ads", "chatgpt_ads")
    docs = "https://developers.openai.com/ads/conversions-api"
    settings_type = OpenAIAdsSettings
    events: ClassVar[Mapping[str, str | None]] = {
        "purchase": "order_created",
        "game_launch": "game_launch",
        "install": "install",
        "session_start": "session_start",
        "sign_up": "registration_completed",
        "lead": "lead_created",
        "email_acquired": "lead_created",
        "add_to_cart": "items_added",
        "wishlist_add": "wishlist_add",
        "wishlist_remove": "wishlist_remove",
        "begin_checkout": "checkout_started",
        "add_payment_info": "add_payment_info",
        "view_content": "contents_viewed",
        "search": "search",
        "start_trial": "trial_started",
        "subscribe": "subscription_created",
        "contact": "lead_created",
        "download": "download",
        "schedule": "appointment_scheduled",
        "submit_application": "lead_created",
        "level_achieved": "level_achieved",
        "tutorial_complete": "tutorial_complete",
        "ad_click": "ad_click",
        "ad_impression": "ad_impression",
        "page_view": "page_viewed",
    }
    events_in_app: ClassVar[Mapping[str, str | None]] = {
        **events,
        "install": "app_installed",
        "session_start": "app_opened",
        "game_launch": "app_opened",
    }
    standard_events = frozenset(DATA_TYPES)
    link_field = "ad > Landing page URL"
    click_ids = ("oppref",)
    click_id_example = "oppref_"
    ids = ("oppref", "obref")
    exact_ids = frozenset(ids)
    assets: ClassVar[Mapping[str, str]] = dict.fromkeys(EVENT_SOURCES, "pixel_id")
    match_rules: ClassVar[Mapping[str, str]] = dict.fromkeys(EVENT_SOURCES, MATCH_RULE)
    match_columns: ClassVar[Mapping[str, str]] = {
        "email": "emails_sha256",
        "phone": "phone_numbers_sha256",
        "ip_address": "ip_address",
    }
    tests_without_code = True
    request_limits = Limits(events=1000)  # bytes: not documented; RudderStack sends up to 4 MB
    max_age = timedelta(days=7)
    max_ahead = timedelta(minutes=10)
    dedup_window = timedelta(hours=48)  # (unconfirmed: OpenAI says that an id counts once, not for how long)
    throttled_seconds = 30  # (unconfirmed: neither limits nor Retry-After are documented)
    advice: ClassVar[Mapping[str, str]] = {
        "400": "Correct the field that the message names, or leave its column out.",
        "401": "Take a key from Ads Manager > Conversions > Manage conversion keys: this one is wrong or was revoked.",
        "403": "Take a key of the account that the pixel belongs to.",
        "404": "Compare pixel_id with Ads Manager > Conversions; if you set base_url, look at its path.",
        "413": "Leave a column out, contents or properties for example: the event is larger than OpenAI takes.",
        "422": "Correct the field that the message names, or leave its column out.",
        "429": "Lower requests_per_second; the next run sends what is open.",
    }
    advice_by_words: ClassVar[Mapping[str, str]] = {
        "missing scopes": (
            "Take a key from Ads Manager > Conversions > Manage conversion keys: this one is of another API, or it is"
            " new and may not write yet."
        )
    }

    def limits_data_use(self, conversion: Conversion) -> bool:
        return True  # as opt_out

    def native_events(self, conversion: Conversion) -> frozenset[str]:
        return self.standard_events if conversion.event_source == "app" else self.standard_events - APP_EVENTS.keys()

    def canonical_events(self, conversion: Conversion) -> Mapping[str, str | None]:
        return self.events_in_app if conversion.event_source == "app" else self.events

    def custom_event(self, name: str, conversion: Conversion) -> str:
        if own := custom_name(name):
            return own
        if name in APP_EVENTS:
            raise Skip("unsupported", f"{name} is for app events; set event_source, or map it with event_map")
        raise Skip("unsupported", "OpenAI takes 1 to 64 letters, digits, _ or - and no name of its own; see event_map")

    def priced(self, conversion: Conversion) -> Conversion:
        return completed(conversion, self.settings.default_currency)

    def envelope(self, conversion: Conversion) -> dict[str, JSON]:
        return {"validate_only": True} if conversion.test else {}

    def payload(self, conversion: Conversion) -> JSON:
        c = conversion
        event, oppref, user = self.event(c), self.click_id(c), self._user(c)
        if self.settings.require_strong_id and not (oppref or STRONG_KEYS & user.keys()):
            raise Skip("no_match_key", f"needed: {MATCH_RULE}")
        data_type = DATA_TYPES.get(event, "custom")
        payload: dict[str, JSON] = {"id": c.event_id, "type": event}
        if data_type == "custom":
            payload |= {"type": data_type, "custom_event_name": event}
        payload["timestamp_ms"] = int(c.event_time.timestamp()) * 1000 + c.event_time.microsecond // 1000
        payload["action_source"] = ACTION_SOURCES[c.event_source]
        if c.event_source == "web":
            payload["source_url"] = _page(c)
        if oppref:
            payload["oppref"] = oppref
        if c.opt_out or c.limited_data_use:
            payload["opt_out"] = True
        if user:
            payload["user"] = user
        payload["data"] = _data(c, data_type)
        return payload

    def _user(self, c: Conversion) -> dict[str, JSON]:
        user: dict[str, JSON] = {}
        if c.email and (hashes := keys.distinct_hashed(c.email, keys.email)):
            user["emails_sha256"] = hashes[:MOST_VALUES]
        if c.phone and (hashes := keys.distinct_hashed(c.phone, phone, self.settings.country_codes(c.country))):
            user["phone_numbers_sha256"] = hashes[:MOST_VALUES]
        if c.external_id and (hashes := keys.distinct_hashed(c.external_id, keys.trimmed)):
            user["external_ids_sha256"] = hashes[:MOST_VALUES]
        if c.first_name and (digests := name_hashes(c.first_name)):
            user["first_names_sha256"] = digests
        if c.last_name and (digests := name_hashes(c.last_name)):
            user["last_names_sha256"] = digests
        if c.country and (country := keys.unhashed(c.country)):
            user["countries"] = [country]
        if c.city and (city := place(c.city)):
            user["cities"] = [city]
        if c.state and (region := place(c.state)):
            user["regions"] = [region]
        if c.postal_code and (code := postal_code(c.postal_code)):
            user["postal_codes"] = [code]
        if obref := c.ids.get("obref"):
            user["obref"] = obref
        if c.ip_address and (address := self.ip_address(c.ip_address)):
            user["ip_address"] = address
        if c.user_agent:
            user["user_agent"] = c.user_agent
        if (raw := mobile.gaid(c)) and (gaid := keys.advertising_id(raw)):
            user["android_advertising_id"] = gaid
        return user

    def phone(self, raw: str, country_codes: tuple[str, ...]) -> str | None:
        return phone(raw, country_codes)

    def ip_address(self, raw: str) -> str | None:
        return keys.plain_ip(raw)

    def match_keys(self, payload: Mapping[str, JSON]) -> Iterable[str]:
        return [*payload.get("user", ()), *(["oppref"] if "oppref" in payload else [])]

    def request(self, envelope: Mapping[str, JSON], payloads: Sequence[JSON]) -> Request:
        return Request(
            url=self.url(URL),
            query={"pid": self.settings.pixel_id},
            headers={"Authorization": f"Bearer {self.settings.api_key}", "Content-Type": "application/json"},
            body={
                "validate_only": bool(envelope),
                "integration_source": self.settings.integration_source,
                "events": payloads,
            },
        )

    def error(self, body: Any) -> tuple[str, str]:
        # (unconfirmed: nobody documents what an error looks like)
        if isinstance(body, str):
            return "", body
        if not isinstance(body, Mapping):
            return "", ""
        error = body.get("error")
        if isinstance(error, Mapping):
            return as_text(error.get("code")) or "", as_text(error.get("message")) or as_text(body.get("message")) or ""
        return as_text(body.get("code")) or "", as_text(error) or as_text(body.get("message")) or ""

    def outcomes(self, response: Response, count: int) -> list[Outcome]:
        body = response.body
        code, message = self.error(body)
        if not 200 <= response.status < 300:
            return [Outcome(by_status(response.status), code, message, shared=True)] * count
        if isinstance(body, str) and (why := _no_answer(body)):
            return [Outcome(Verdict.TRANSIENT, "", why, shared=True)] * count
        said = body if isinstance(body, Mapping) else {}
        if said.get("error") or said.get("errors"):
            return [Outcome(Verdict.REJECTED, code, message or "2xx with an error", shared=True)] * count
        told = said.get("accepted_events")
        accepted = count if told is None else _counted(told)
        if accepted is not None and accepted >= count:
            return [Outcome(Verdict.ACCEPTED)] * count
        of_them = f"not said how many of {count}" if accepted is None else f"{accepted} of {count}"
        return [Outcome(Verdict.REJECTED, "", f"{of_them} accepted, not which", reason="unconfirmed")] * count


def _no_answer(text: str) -> str:
    """Why a 2xx with this text is not OpenAI's; empty: its status is its word."""
    start = text.lstrip()[:1]
    if start == "<":
        return "a web page, no answer"
    return "half an answer" if start and start in "{[" else ""


def _counted(accepted: Any) -> int | None:
    """A count of events, which may be a text; None for what is none."""
    if isinstance(accepted, str) and accepted.isdecimal() and len(accepted) < 10:
        return int(accepted)
    return accepted if type(accepted) is int else None


def custom_name(name: str) -> str | None:
    """``'VIP Upgrade!'`` -> ``'vip_upgrade'``; None for what OpenAI takes as no name, or as one of its own."""
    own = _NOT_IN_NAMES.sub("_", name.lower()).strip("_-")
    return own if own and len(own) <= MOST_NAME and own not in RESERVED else None


@remembered(maxsize=50_000)
def phone(raw: str, country_codes: tuple[str, ...] = ()) -> str | None:
    """``'+1 (415) 555-0123'`` -> ``'14155550123'``; None for what is not 8 to 15 digits, an extension for example."""
    number = phones.digits(raw, country_codes) if _PHONE(visible := keys.visible(raw.strip())) and visible else None
    return number if number and len(number) >= 8 else None


def name(raw: str) -> str | None:
    """``"O'Neill"`` -> ``'oneill'``, ``' Van  Der Berg '`` -> ``'vanderberg'``; accents stay, composed (NFC)."""
    return unicodedata.normalize("NFC", "".join(raw.lower().split()).translate(_PUNCTUATION)) or None


@remembered(maxsize=20_000)
def name_hashes(raw: str | None) -> Sequence[str]:
    """``keys.hashed_list(raw, name)``; the same names come again and again."""
    return keys.hashed_list(raw, name)


def place(raw: str | None) -> str | None:
    """``' New York '`` -> ``'new york'``, as it is sent; None for a hash, and for more than 128 characters."""
    plain = keys.unhashed(raw)
    return plain.lower() if plain and len(plain) <= MOST_PLACE else None


def postal_code(raw: str | None) -> str | None:
    """``'SW1A 1AA.'`` -> ``'SW1A 1AA'``, as it is sent; None for a hash, and for more than 32 characters."""
    plain = _DECIMALS.sub("", keys.unhashed(raw) or "")
    kept = "".join(char for char in plain if char.isalnum() or char in " -").strip()
    return kept if len(kept) <= MOST_POSTAL_CODE else None


def minor_units(major: float | None, currency: str | None) -> int | None:
    """``19.99, 'USD'`` -> ``1999``, ``1990, 'JPY'`` -> ``1990``; halves go up. None where one of the two is missing."""
    if major is None or currency is None:
        return None
    return int(Decimal(repr(major)).scaleb(decimals(currency)).to_integral_value(ROUND_HALF_UP))


def _page(c: Conversion) -> str:
    """Without query and fragment, in which others may have put what is the person's."""
    if not c.event_source_url:
        raise Skip("unsupported", "a web event needs event_source_url; map the column, or say another event_source")
    return c.event_source_url.partition("#")[0].partition("?")[0]


def _data(c: Conversion, type_: str) -> dict[str, JSON]:
    data: dict[str, JSON] = {}
    if c.properties and type_ == "custom":
        data = prune(passed_on(c.properties, TAKEN))
    data["type"] = type_
    if (amount := minor_units(c.value, c.currency)) is not None:
        data |= {"amount": amount, "currency": c.currency}
    if c.contents and type_ in WITH_CONTENTS:
        data["contents"] = [_content(item, c) for item in c.contents]
    if c.properties and type_ in WITH_PLAN and (plan := as_text(c.properties.get("plan_id"))):
        data["plan_id"] = plan
    return data


def _content(item: Item, c: Conversion) -> dict[str, JSON]:
    content: dict[str, JSON] = {}
    if item.id:
        content["id"] = item.id
    if item.name:
        content["name"] = item.name
    if item.group_id:
        content["group_id"] = item.group_id
    content["content_type"] = c.content_type or "product"
    if item.quantity is not None:
        content["quantity"] = item.quantity
    if (amount := minor_units(item.price, c.currency)) is not None:
        content |= {"amount": amount, "currency": c.currency}
    return content


NETWORK = OpenAIAds
