"""Pinterest Conversions API v5. https://developers.pinterest.com/docs/api/v5/events-create"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import quote

from target_adpostbacks.core import match_keys as keys
from target_adpostbacks.core import mobile, phones, places
from target_adpostbacks.core.answers import JSON, Outcome, Request, Response, Skip, Verdict, by_status
from target_adpostbacks.core.birth_dates import date_of_birth
from target_adpostbacks.core.conversion import EVENT_SOURCES, Conversion, Item
from target_adpostbacks.core.left_out import left_out
from target_adpostbacks.core.network import Limits, Network
from target_adpostbacks.core.payloads import as_number, as_text, decimal_text, item_count, prune
from target_adpostbacks.core.settings import PhoneSettings, doc

URL = "https://api.pinterest.com/v5/ad_accounts/{ad_account_id}/events"

EVENTS = frozenset(
    "add_payment_info add_to_cart add_to_wishlist app_install app_open checkout contact custom customize_product "
    "find_location initiate_checkout lead page_visit schedule search signup start_trial submit_application subscribe "
    "view_category view_content watch_video".split()
)
ACTION_SOURCES: Mapping[str, str] = {"web": "web", "offline": "offline", "crm": "offline"}
PLATFORMS: Mapping[str | None, str] = {mobile.IOS: "ios", mobile.ANDROID: "android"}

LIVE = Limits(events=1000)
TEST = Limits(events=20)  # of a test request Pinterest looks at no more
MAX_AGE_IN_STORE = timedelta(days=28)

MATCH_KEYS, PAIRED_KEYS = frozenset({"em", "hashed_maids"}), frozenset({"client_ip_address", "client_user_agent"})
MATCH_RULE = "email, advertising_id, or ip_address with user_agent; phone, external_id or a click id is not enough"
GENDERS = {**keys.GENDERS, **dict.fromkeys(("n", "non-binary", "non binary", "nonbinary"), "n")}
MAX_ID, MAX_VERSION = 200, 100  # characters
NO_ITEM = Item()
NOTHING_NAMED: Mapping[str, JSON] = {}

_ROUTINE = re.compile(r"(?:external_id|click_id) is missing")  # the postback's note says so too


class PinterestSettings(PhoneSettings, frozen=True, kw_only=True):
    ad_account_id: Annotated[
        str,
        doc(
            "The ad account's id, digits only; not the tag's.",
            where="Ads Manager > Ad account overview > Conversions > Conversions API > Set up API",
            example="549755885175",
        ),
    ]
    access_token: Annotated[
        str,
        doc(
            "Conversion access token, `pina_…`. An owner of the ad account, or a user with the role Admin, Analyst,"
            " Audience or Campaign, creates it.",
            where="Ads Manager > Conversions > Conversions API > Set up API > Generate new token",
            example="pina_example-access-token",
            secret=True,
        ),
    ]
    default_event_source: Annotated[
        Literal["web", "app_ios", "app_android", "offline"] | None,
        doc("Where a conversion happened whose record does not say it, nor `defaults`. Default: `web`."),
    ] = None
    partner_name: Annotated[
        str | None, doc("Name that Pinterest has assigned to a partner, `ss-…`, or `direct`. Most accounts have none.")
    ] = None
    send_advertiser_tracking: Annotated[
        bool,
        doc(
            "Send `advertiser_tracking_enabled` with app events. Other programs send it; Pinterest's documentation does"
            " not list the key, and an unknown key refuses the whole request."
        ),
    ] = False

    @property
    def record_defaults(self) -> Mapping[str, Any]:
        source, _, platform = (self.default_event_source or "").partition("_")
        columns = prune({"event_source": source, "platform": platform})
        return {**columns, **super().record_defaults}

    def problems(self) -> Iterable[str]:
        yield from super().problems()
        if not re.fullmatch(r"[0-9]{1,18}", self.ad_account_id):
            yield "ad_account_id: digits only, 18 at most, as Ads Manager shows it beside the token"
        if self.partner_name and not re.fullmatch(r"ss-[a-z0-9-]+|direct", self.partner_name):
            yield "partner_name: ss- and lower-case letters or digits, or direct; leave it out if you have none"

    def hints(self) -> Iterable[str]:
        if not self.access_token.startswith("pina_"):
            yield "access_token: does not begin with pina_; was it copied whole?"
        for event, name in self.event_map.items():
            if name and name not in EVENTS:
                yield f"event_map.{event}: not one of Pinterest's names; it is sent as custom, without its name"


class Pinterest(Network[PinterestSettings]):
    name = "pinterest"
    title = "Pinterest"
    aliases = ("pinterest ads", "pinterest_ads")
    docs = "https://developers.pinterest.com/docs/api-features/track-conversions/"
    settings_type = PinterestSettings
    events: ClassVar[Mapping[str, str | None]] = {
        "purchase": "checkout",
        "game_launch": "custom",
        "install": "app_install",
        "session_start": "custom",
        "sign_up": "signup",
        "lead": "lead",
        "email_acquired": "lead",
        "add_to_cart": "add_to_cart",
        "wishlist_add": "add_to_wishlist",
        "wishlist_remove": "custom",
        "begin_checkout": "initiate_checkout",
        "add_payment_info": "add_payment_info",
        "view_content": "view_content",
        "search": "search",
        "start_trial": "start_trial",
        "subscribe": "subscribe",
        "contact": "contact",
        "download": "custom",
        "schedule": "schedule",
        "submit_application": "submit_application",
        "level_achieved": "custom",
        "tutorial_complete": "custom",
        "ad_click": "custom",
        "ad_impression": "custom",
        "page_view": "page_visit",
    }
    links: ClassVar[Mapping[str, str]] = {
        "campaign_name": "{campaignname}",
        "campaign_id": "{campaignid}",
        "ad_group_id": "{adgroupid}",
        "ad_id": "{adid}",
        "creative_id": "{creative_id}",
    }
    link_field = "ad > Destination URL"
    click_ids = ids = ("epik",)
    click_id_example = "dj0yJnU9"
    click_match_keys = ("click_id",)
    click_id_form = "dj0y"  # nearly always; Pinterest has no rule (unconfirmed)
    standard_events = EVENTS
    assets: ClassVar[Mapping[str, str]] = dict.fromkeys(EVENT_SOURCES, "ad_account_id")
    match_rules: ClassVar[Mapping[str, str]] = dict.fromkeys(EVENT_SOURCES, MATCH_RULE)
    match_columns: ClassVar[Mapping[str, str]] = {
        "email": "em",
        "phone": "ph",
        "date_of_birth": "db",
        "ip_address": "client_ip_address",
    }
    tests_without_code = True
    request_limits = LIVE
    max_age = timedelta(days=7)
    max_ahead = timedelta(minutes=1)
    dedup_window = timedelta(hours=48)
    counts_within = "30 days of a click, 1 of a view"
    statuses: ClassVar[Mapping[int, Verdict]] = {404: Verdict.CREDENTIALS}
    throttled_seconds = 5
    advice: ClassVar[Mapping[str, str]] = {
        "400": "Correct the field that the message names, or leave its column out.",
        "401": "Generate a new access_token: this one is wrong or was revoked.",
        "403": "Give the token's user a role in the ad account, or take a token of a user who has one.",
        "404": "Compare ad_account_id with Ads Manager: there is no such ad account.",
        "422": "Correct the field that the message names, or leave its column out.",
        "429": "Lower requests_per_second; the next run sends what is open.",
    }

    def age_limit(self, conversion: Conversion) -> timedelta:
        if days := self.settings.max_event_age_days:
            return timedelta(days=days)
        return MAX_AGE_IN_STORE if ACTION_SOURCES.get(conversion.event_source) == "offline" else self.max_age

    @property
    def longest_age(self) -> timedelta:
        return timedelta(days=self.settings.max_event_age_days or MAX_AGE_IN_STORE.days)

    def resend_window(self, conversion: Conversion) -> timedelta | None:
        return None if ACTION_SOURCES.get(conversion.event_source) == "offline" else self.dedup_window

    def limits_data_use(self, conversion: Conversion) -> bool:
        return True

    def canonical_events(self, conversion: Conversion) -> Mapping[str, str | None]:
        return {**self.events, "session_start": "app_open"} if conversion.event_source == "app" else self.events

    def custom_event(self, name: str, conversion: Conversion) -> str:
        return "custom"  # the name itself has no place in the request

    def envelope(self, conversion: Conversion) -> dict[str, JSON]:
        return {"test": True} if conversion.test else {}

    def limits(self, envelope: Mapping[str, JSON]) -> Limits:
        return TEST if envelope else LIVE

    def note(self, payload: Mapping[str, JSON]) -> str:
        wanted = ("external_id", "click_id") if payload["action_source"] == "web" else ("external_id",)
        lacking = [name for name in wanted if name not in payload["user_data"]]
        return f"sent without {' and '.join(lacking)}, which Pinterest recommends" if lacking else ""

    def payload(self, conversion: Conversion) -> JSON:
        c = conversion
        app = c.event_source == "app"
        payload: dict[str, JSON] = {
            "event_name": self.event(c),
            "action_source": _action_source(c),
            "event_time": int(c.event_time.timestamp()),
            "event_id": c.event_id,
        }
        if c.event_source_url and c.event_source == "web":
            payload["event_source_url"] = c.event_source_url
        if (opt_out := _opt_out(c)) is not None:
            payload["opt_out"] = opt_out
        if self.settings.partner_name:
            payload["partner_name"] = self.settings.partner_name
        if c.language and not app and (language := _language(c.language)):
            payload["language"] = language
        payload["user_data"] = self._user_data(c)
        if custom_data := _custom_data(c):
            payload["custom_data"] = custom_data
        if app:
            tracking = self._tracking_enabled(c)
            of_app = {"app_info": _app_info(c), "device_info": _device_info(c), "advertiser_tracking_enabled": tracking}
            payload |= prune(of_app)
        return payload

    def _user_data(self, c: Conversion) -> dict[str, JSON]:
        user: dict[str, JSON] = {}
        if c.email and (hashes := keys.distinct_hashed(c.email, keys.email)):
            user["em"] = hashes
        if hashes := _advertising_ids(c):
            user["hashed_maids"] = hashes
        if c.ip_address and (address := keys.public_ip(c.ip_address)):
            user["client_ip_address"] = address
        if c.user_agent:
            user["client_user_agent"] = c.user_agent
        if c.phone and (hashes := keys.distinct_hashed(c.phone, phones.digits, self.settings.country_codes(c.country))):
            user["ph"] = hashes
        if c.first_name and (digest := _name_hash(c.first_name)):
            user["fn"] = [digest]
        if c.last_name and (digest := _name_hash(c.last_name)):
            user["ln"] = [digest]
        if c.gender and (digest := keys.hashed(c.gender, gender)):
            user["ge"] = [digest]
        if c.date_of_birth and (digest := keys.hashed(c.date_of_birth, date_of_birth, c.event_time.year)):
            user["db"] = [digest]
        if c.city and (digest := places.name_hash(c.city)):
            user["ct"] = [digest]
        if c.state and (digest := keys.hashed(c.state, state, keys.unhashed(c.country))):
            user["st"] = [digest]
        if c.postal_code and (digest := places.postal_code_hash(c.postal_code, keys.unhashed(c.country))):
            user["zp"] = [digest]
        if c.country and (digest := keys.country_hash(c.country)):
            user["country"] = [digest]
        if c.external_id and (hashes := keys.distinct_hashed(c.external_id, keys.folded)):
            user["external_id"] = hashes
        if click_id := self.click_id(c):
            user["click_id"] = click_id
        if MATCH_KEYS.isdisjoint(user) and not user.keys() >= PAIRED_KEYS:
            raise Skip("no_match_key", f"needed: {MATCH_RULE}")
        return user

    def _tracking_enabled(self, c: Conversion) -> bool | None:
        return mobile.tracking_allowed(c, mobile.version(c) or "") if self.settings.send_advertiser_tracking else None

    def phone(self, raw: str, country_codes: tuple[str, ...]) -> str | None:
        return phones.digits(raw, country_codes)

    def unusable(self, conversion: Conversion, sent: Collection[str]) -> Iterable[str]:
        yield from super().unusable(conversion, sent)
        if any(left_out(conversion, {"gender": "ge"}, sent)):
            yield "gender: not m, f or n, nor male, female or non-binary"

    def match_keys(self, payload: Mapping[str, JSON]) -> Iterable[str]:
        return [*payload["user_data"]]

    def request(self, envelope: Mapping[str, JSON], payloads: Sequence[JSON]) -> Request:
        return Request(
            url=self.url(URL.format(ad_account_id=quote(self.settings.ad_account_id, safe=""))),
            query={"test": "true"} if envelope else {},
            headers={
                "Authorization": f"Bearer {self.settings.access_token}",
                "Content-Type": "application/json",
                "Accept": "application/json",
            },
            body={"data": payloads},
        )

    def error(self, body: Any) -> tuple[str, str]:
        if isinstance(body, str):
            return "", body
        if not isinstance(body, Mapping):
            return "", ""
        code = body.get("code")
        return "" if code is None else str(code), _text(body, "message")

    def request_id(self, response: Response) -> str:
        return response.headers.get("x-pinterest-rid", "")

    def retry_after(self, response: Response) -> str:
        reset = response.headers.get("x-ratelimit-reset", "") if response.status == 429 else ""
        return response.headers.get("retry-after") or reset

    def outcomes(self, response: Response, count: int) -> list[Outcome]:
        # A code means one thing beside 401 and another beside 404: the status says it all.
        body = response.body
        code, message = self.error(body)
        if 200 <= response.status < 300:
            if not isinstance(body, Mapping):
                # Empty or cut off: the events may be counted, unless a page came from somebody in between.
                is_page = isinstance(body, str) and body.lstrip().startswith("<")
                verdict = Verdict.TRANSIENT if is_page else Verdict.NO_ANSWER
                return [Outcome(verdict, "", "no JSON object in the answer", shared=True)] * count
            if code:
                return [Outcome(Verdict.REJECTED, code, message, shared=True)] * count
            return _each(body, count) or [_together(body, count)] * count
        details = body.get("details") if response.status == 422 and isinstance(body, Mapping) else None
        each = _each(details, count) if isinstance(details, Mapping) else None
        return each or [Outcome(by_status(response.status, self.statuses), code, message, shared=True)] * count

    def warning(self, response: Response) -> str:
        body = response.body if response.status == 200 else None
        events = _events(body) if isinstance(body, Mapping) else ()
        texts = {_text(event, "warning_message") for event in _distinct(events)}
        return "; ".join(sorted({*map(_warning, texts)} - {""}))


def name(raw: str) -> str | None:
    """``' Mary Ann '`` -> ``'mary ann'``; accents and other scripts stay, composed (NFC)."""
    return unicodedata.normalize("NFC", raw.strip().lower()) or None


_name_hash = keys.remembering(name)


def gender(raw: str) -> str | None:
    """``'Non-Binary'`` -> ``'n'``; None for anything but m, f, n and their words."""
    return GENDERS.get(raw.strip().lower())


def state(raw: str, country: str | None) -> str | None:
    """``'California'`` -> ``'ca'``; None for what has no code of two letters."""
    code = places.state(raw, country)
    return code if code and len(code) == 2 and code.isascii() and code.isalpha() else None


def _advertising_ids(c: Conversion) -> list[str]:
    return keys.distinct_hashed([raw for raw in (c.advertising_id, c.idfa, c.gaid) if raw], keys.gaid)


def _language(tag: str) -> str | None:
    """``'pt_BR'`` -> ``'pt'``; None for a language whose code has three letters."""
    code = tag.replace("_", "-").partition("-")[0].lower()
    return code if len(code) == 2 else None


def _action_source(c: Conversion) -> str:
    if c.event_source != "app":
        return ACTION_SOURCES[c.event_source]
    if platform := PLATFORMS.get(mobile.version(c)):
        return f"app_{platform}"
    raise Skip("unsupported", "an app event needs a platform, ios or android; map the column")


def _opt_out(c: Conversion) -> bool | None:
    """Whether the person has refused tracking, on the web or on the device; None where nobody knows."""
    status = (c.att_status or "").lower() if c.event_source == "app" else ""
    if c.opt_out or status in mobile.REFUSED:
        return True
    return False if status in mobile.AUTHORIZED else c.opt_out


def _app_info(c: Conversion) -> dict[str, JSON]:
    return prune(
        {
            "app_id": _at_most(MAX_ID, c.app_id),
            "app_name": _at_most(MAX_ID, c.app_name),
            "app_version": _at_most(MAX_VERSION, c.app_version),
        }
    )


def _at_most(characters: int, text: str | None) -> str | None:
    return text if text and len(text) <= characters else None


def _device_info(c: Conversion) -> dict[str, JSON]:
    return prune(
        {
            "os_family": PLATFORMS[mobile.version(c)],
            "os_version": c.os_version,
            "model": c.device_model,
            "brand": c.device_brand,
            "locale": c.language and c.language.replace("_", "-"),
        }
    )


def _custom_data(c: Conversion) -> dict[str, JSON]:
    items = [item for item in c.contents if item.id]
    data: dict[str, JSON] = {}
    if c.currency:
        data["currency"] = c.currency
    if c.value is not None:
        data["value"] = decimal_text(c.value)
    if c.order_id:
        data["order_id"] = c.order_id
    if (count := item_count(c)) is not None:
        data["num_items"] = count
    if items:
        data["content_ids"] = [item.id for item in items]
    only = c.contents[0] if len(c.contents) == 1 else NO_ITEM
    named = _named(c.properties) if c.properties else NOTHING_NAMED
    if content_name := named.get("content_name") or only.name:
        data["content_name"] = content_name
    if category := named.get("content_category") or only.category:
        data["content_category"] = category
    if brand := named.get("content_brand") or only.brand:
        data["content_brand"] = brand
    if items:
        data["contents"] = [_content(item) for item in items]
    if c.search_query:
        data["search_string"] = c.search_query
    if c.limited_data_use:
        data["opt_out_type"] = "LDP"
    if predicted := named.get("predicted_ltv"):
        data["predicted_ltv"] = predicted
    return data


def _named(properties: Mapping[str, Any]) -> dict[str, JSON]:
    """The properties that Pinterest has a field for; they say more than the only item does."""
    predicted = as_number(properties.get("predicted_ltv"))
    texts = {field: as_text(properties.get(field)) for field in ("content_name", "content_category", "content_brand")}
    return prune({**texts, "predicted_ltv": None if predicted is None else decimal_text(predicted)})


def _content(item: Item) -> dict[str, JSON]:
    content: dict[str, JSON] = {"id": item.id}
    if item.name:
        content["item_name"] = item.name
    if item.category:
        content["item_category"] = item.category
    if item.brand:
        content["item_brand"] = item.brand
    if item.price is not None:
        content["item_price"] = decimal_text(item.price)
    if item.quantity is not None:
        content["quantity"] = item.quantity
    return content


def _each(body: Mapping[str, Any], count: int) -> list[Outcome] | None:
    """What an answer says of each event, in order; None where it does not name every one."""
    events = _events(body)
    if not events or len(events) != count:
        return None
    said = [*map(_said, _distinct(events))]
    read = {each: _outcome(*each) for each in {*said}}
    outcomes = [read[each] for each in said] * (count // len(said))
    processed = _number(body, "num_events_processed")
    listed = [outcome.verdict for outcome in outcomes].count(Verdict.ACCEPTED)
    if processed in (None, listed) or (listed == count and 0 < processed < count):  # the entries count
        return outcomes
    doubt = Outcome(Verdict.REJECTED, "", f"{processed} of {count} processed, other than listed", reason="unconfirmed")
    return [doubt if outcome.verdict is Verdict.ACCEPTED else outcome for outcome in outcomes]


def _said(event: Mapping[str, Any]) -> tuple[str, str, str]:
    return _text(event, "status"), _text(event, "error_message"), _text(event, "warning_message")


def _outcome(status: str, error: str, warning: str) -> Outcome:
    if status == "processed":
        return Outcome(Verdict.ACCEPTED, "", "; ".join(filter(None, (error, _warning(warning)))))
    if status == "failed":
        return Outcome(Verdict.REJECTED, "", error)
    return Outcome(Verdict.REJECTED, "", f"status {status or 'missing'}: {error}", reason="unconfirmed")


def _together(body: Mapping[str, Any], count: int) -> Outcome:
    """What an answer says that counts events and names none."""
    received, processed = _number(body, "num_events_received"), _number(body, "num_events_processed")
    if received == processed == count:
        return Outcome(Verdict.ACCEPTED)
    if processed == 0:
        return Outcome(Verdict.REJECTED, "", "none processed, and no reason given")
    counted = f"{processed} of {count} processed" if processed else "no count of processed events"
    return Outcome(Verdict.REJECTED, "", f"{counted}, without saying which", reason="unconfirmed")


def _events(body: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    events = body.get("events")
    return events if isinstance(events, list) and {*map(type, events)} == {dict} else ()


def _distinct(events: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """The first alone where all are alike, as they are in most answers."""
    return events[:1] if events and events.count(events[0]) == len(events) else events


def _warning(text: str) -> str:
    """A warning without what it says of nearly every event."""
    return "; ".join(part for each in text.split(";") if (part := each.strip()) and not _ROUTINE.match(part))


def _text(holder: Mapping[str, Any], key: str) -> str:
    value = holder.get(key)
    return value if isinstance(value, str) else ""


def _number(holder: Mapping[str, Any], key: str) -> int | None:
    value = holder.get(key)
    return value if type(value) is int else None


NETWORK = Pinterest
