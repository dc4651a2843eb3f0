"""Snapchat Conversions API v3. https://developers.snap.com/api/marketing-api/Conversions-API/UsingTheAPI"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, ClassVar
from urllib.parse import quote

from target_adpostbacks.core import match_keys as keys
from target_adpostbacks.core import mobile, phones, places
from target_adpostbacks.core.answers import JSON, Outcome, Request, Response, Skip, Verdict, by_status
from target_adpostbacks.core.birth_dates import date_of_birth
from target_adpostbacks.core.conversion import EVENT_SOURCES, Conversion, Item
from target_adpostbacks.core.left_out import left_out
from target_adpostbacks.core.network import Limits, Network
from target_adpostbacks.core.payloads import as_number, as_text, item_count, prune
from target_adpostbacks.core.settings import PhoneSettings, doc
from target_adpostbacks.core.urls import click_urls, query_value

URL = "https://tr.snapchat.com/v3/{asset_id}/{endpoint}"
LIVE, VALIDATE = "events", "events/validate"

EVENTS = frozenset(
    "PURCHASE SAVE START_CHECKOUT ADD_CART VIEW_CONTENT ADD_BILLING SIGN_UP SEARCH PAGE_VIEW SUBSCRIBE AD_CLICK "
    "AD_VIEW COMPLETE_TUTORIAL LEVEL_COMPLETE INVITE LOGIN SHARE RESERVE ACHIEVEMENT_UNLOCKED ADD_TO_WISHLIST "
    "SPENT_CREDITS RATE START_TRIAL LIST_VIEW APP_INSTALL APP_OPEN "
    "CUSTOM_EVENT_1 CUSTOM_EVENT_2 CUSTOM_EVENT_3 CUSTOM_EVENT_4 CUSTOM_EVENT_5".split()
)
ACTION_SOURCES: Mapping[str, str] = {"web": "WEB", "app": "MOBILE_APP", "offline": "OFFLINE", "crm": "OFFLINE"}

MOST_AGE_DAYS = 37  # eligible for reporting so long, says Snap, though another of its pages says not older than 7

MATCH_KEYS, PAIRED_KEYS = frozenset({"em", "ph", "madid"}), frozenset({"client_ip_address", "client_user_agent"})

VALID = frozenset({"VALID", "SUCCESS", "OK"})
INVALID = frozenset({"INVALID", "FAILED"})

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").fullmatch
_APP_ID = re.compile(r"[0-9]+|[A-Za-z]\w*(\.\w+)+", re.ASCII).fullmatch
_CLICK_ID = re.compile(r"[?&](sccid)=", re.IGNORECASE)
_CREDENTIALS = re.compile(r"token(?!i[sz])|authori[sz]|authenticat|credential", re.IGNORECASE)


PROPERTIES: Mapping[str, Callable[[JSON], JSON]] = {
    **dict.fromkeys(("sign_up_method", "event_tag"), as_text),
    "predicted_ltv": as_number,
}
"""Members of ``properties`` that Snapchat knows, and how it wants them."""


class SnapchatSettings(PhoneSettings, frozen=True, kw_only=True):
    access_token: Annotated[
        str,
        doc(
            "Token of the Conversions API. An admin of the organization creates it. It does not expire.",
            where="Ads Manager > Business Details > Conversions API Tokens",
            example="example-access-token",
            secret=True,
        ),
    ]
    pixel_id: Annotated[
        str | None,
        doc(
            "For web, offline and CRM events, a UUID.",
            where="Ads Manager > Events Manager > the pixel",
            example="0f2e6c1a-5b3d-4c8e-9a7f-1d2c3b4a5e6f",
        ),
    ] = None
    snap_app_id: Annotated[
        str | None,
        doc(
            "For app events, usually a UUID.",
            where="Ads Manager > Business > Snap App IDs",
            example="7a9b8c7d-1e2f-4a3b-8c5d-6e7f8a9b0c1d",
        ),
    ] = None
    app_id: Annotated[str | None, doc("App Store number or Android package, for app events whose record has none.")] = (
        None
    )
    test_event_code: Annotated[
        str | None,
        doc(
            "Shows records with `test: true`. They are validated without it too.",
            where="Events Manager > Test events",
        ),
    ] = None
    send_date_of_birth: Annotated[
        bool, doc("Send date_of_birth, hashed; Snap's documentation does not list the key.")
    ] = False

    def problems(self) -> Iterable[str]:
        yield from super().problems()
        if not (self.pixel_id or self.snap_app_id):
            yield "pixel_id: missing; set it for web and offline events, or snap_app_id for app events"
        elif self.pixel_id == self.snap_app_id:
            yield "snap_app_id: is the pixel's id; take the app's, from Business > Snap App IDs"
        if self.app_id and not _APP_ID(self.app_id):
            yield "app_id: the App Store's number, digits only, or the Android package expected"
        if (self.max_event_age_days or 0) > MOST_AGE_DAYS:
            yield f"max_event_age_days: {MOST_AGE_DAYS} at most, which is how long Snapchat reports on an event"

    def hints(self) -> Iterable[str]:
        for field in ("pixel_id", "snap_app_id"):
            value = getattr(self, field)
            if value and not _UUID(value):
                yield f"{field}: not a UUID (8-4-4-4-12 hex digits); was it copied whole?"


class Snapchat(Network[SnapchatSettings]):
    name = "snapchat"
    title = "Snapchat"
    aliases = ("snap", "snapchat ads", "snapchat_ads", "snap ads", "snap_ads")
    docs = "https://developers.snap.com/api/marketing-api/Conversions-API/Introduction"
    settings_type = SnapchatSettings
    events: ClassVar[Mapping[str, str | None]] = {
        "purchase": "PURCHASE",
        "game_launch": "CUSTOM_EVENT_1",
        "install": "APP_INSTALL",
        "session_start": "APP_OPEN",
        "sign_up": "SIGN_UP",
        "lead": "SIGN_UP",
        "email_acquired": "SIGN_UP",
        "add_to_cart": "ADD_CART",
        "wishlist_add": "ADD_TO_WISHLIST",
        "wishlist_remove": None,
        "begin_checkout": "START_CHECKOUT",
        "add_payment_info": "ADD_BILLING",
        "view_content": "VIEW_CONTENT",
        "search": "SEARCH",
        "start_trial": "START_TRIAL",
        "subscribe": "SUBSCRIBE",
        "contact": "CUSTOM_EVENT_2",
        "download": "CUSTOM_EVENT_4",
        "schedule": "CUSTOM_EVENT_3",
        "submit_application": "CUSTOM_EVENT_5",
        "level_achieved": "LEVEL_COMPLETE",
        "tutorial_complete": "COMPLETE_TUTORIAL",
        "ad_click": "AD_CLICK",
        "ad_impression": "AD_VIEW",
        "page_view": "PAGE_VIEW",
    }
    links: ClassVar[Mapping[str, str]] = {
        "campaign_name": "{{campaign.name}}",
        "campaign_id": "{{campaign.id}}",
        "ad_group_id": "{{adSet.id}}",
        "ad_id": "{{ad.id}}",
    }
    link_field = "ad > Website URL"
    click_ids = ("sc_click_id", "ScCid", "sccid")  # the column, then as the landing URL has it
    click_id_example = "9f86d081-884c-4d65-9a2f-eaa0c55ad015"
    ids = (*click_ids, "sc_cookie1")
    standard_events = EVENTS
    assets: ClassVar[Mapping[str, str]] = {**dict.fromkeys(EVENT_SOURCES, "pixel_id"), "app": "snap_app_id"}
    match_rules: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(EVENT_SOURCES, "email, phone, or ip_address with user_agent; a click id alone is not enough"),
        "app": "email, phone, advertising_id, or ip_address with user_agent; a click id alone is not enough",
    }
    test_setting = "test_event_code"
    tests_without_code = True
    request_limits = Limits(events=2000)
    max_age = timedelta(days=7)
    match_columns: ClassVar[Mapping[str, str]] = {
        "email": "em",
        "phone": "ph",
        "gender": "ge",
        "ip_address": "client_ip_address",
    }
    max_ahead = timedelta(minutes=5)
    dedup_window = timedelta(hours=48)
    counts_within = "28 days of a click, 1 of a view"  # (unconfirmed: guides of others say so)
    advice: ClassVar[Mapping[str, str]] = {
        "400": "Correct the field that the message names; if it speaks of the token, generate a new access_token.",
        "401": "Generate a new access_token: this one was cut when it was copied, or was revoked.",
        "403": "Take a token of the organization that the pixel or app belongs to.",
        "404": "Compare pixel_id and snap_app_id with Ads Manager.",
        "429": "Lower requests_per_second; the next run sends what is open.",
    }

    def age_limit(self, conversion: Conversion) -> timedelta:
        days = self.settings.max_event_age_days
        return timedelta(days=days) if days else self.max_age

    @property
    def longest_age(self) -> timedelta:
        return timedelta(days=self.settings.max_event_age_days or self.max_age.days)

    def click(self, conversion: Conversion) -> tuple[str, str] | None:
        if click := super().click(conversion):
            return self.click_ids[0], click[1]  # the others are ways to spell it
        for url in click_urls(conversion):
            for spelling in _CLICK_ID.findall(url):
                if click_id := query_value(url, spelling):
                    return self.click_ids[0], click_id
        return None

    def limits_data_use(self, conversion: Conversion) -> bool:
        return True

    def canonical_events(self, conversion: Conversion) -> Mapping[str, str | None]:
        return {**self.events, "game_launch": "APP_OPEN"} if conversion.event_source == "app" else self.events

    def custom_event(self, name: str, conversion: Conversion) -> str:
        if (native := name.upper()) in EVENTS:
            return native
        raise Skip("unsupported", "Snapchat takes no names of your own; map it to CUSTOM_EVENT_1 … _5 with event_map")

    def envelope(self, conversion: Conversion) -> dict[str, JSON]:
        test = conversion.test
        return prune(
            {
                "asset_id": self.asset(conversion),
                "endpoint": VALIDATE if test else LIVE,
                "test_event_code": self.settings.test_event_code if test else None,
            }
        )

    def note(self, payload: Mapping[str, JSON]) -> str:
        if payload["action_source"] == "WEB" and "event_source_url" not in payload:
            return "sent without event_source_url, which Snapchat wants for web events"
        return ""

    def payload(self, conversion: Conversion) -> JSON:
        c = conversion
        event = self.event(c)
        if event == "PURCHASE" and c.value is None:
            raise Skip("unsupported", "PURCHASE needs value and currency; map both columns")
        payload: dict[str, JSON] = {
            "event_name": event,
            "event_time": int(c.event_time.timestamp()),
            "event_id": c.event_id,
            "action_source": ACTION_SOURCES[c.event_source],
        }
        if c.event_source_url:
            payload["event_source_url"] = c.event_source_url
        payload["user_data"] = self._user_data(c)
        if custom_data := _custom_data(c):
            payload["custom_data"] = custom_data
        if c.event_source == "app":
            payload["app_data"] = self._app_data(c)
        if c.limited_data_use or c.opt_out:
            californian = bool(c.country == "US" and c.state and places.state(c.state, "US") == "ca")
            payload["data_processing_options"] = ["LDU"]
            payload["data_processing_options_country"] = int(californian)  # 0: Snap locates
            payload["data_processing_options_state"] = 1000 if californian else 0
        return payload

    def _user_data(self, c: Conversion) -> dict[str, JSON]:
        app = c.event_source == "app"
        user: dict[str, JSON] = {}
        if c.email and (hashes := keys.distinct_hashed(c.email, keys.email)):
            user["em"] = hashes
        if c.phone and (
            hashes := keys.distinct_hashed(c.phone, phones.digits_by_groups, self.settings.country_codes(c.country))
        ):
            user["ph"] = hashes
        if c.external_id and (hashes := keys.distinct_hashed(c.external_id, keys.folded)):
            user["external_id"] = hashes
        if c.first_name and (digest := places.name_hash(c.first_name)):
            user["fn"] = [digest]
        if c.last_name and (digest := places.name_hash(c.last_name)):
            user["ln"] = [digest]
        if c.gender and (digest := keys.gender_hash(c.gender)):
            user["ge"] = [digest]
        if c.city and (digest := places.name_hash(c.city)):
            user["ct"] = [digest]
        if c.state and (digest := places.state_hash(c.state, keys.unhashed(c.country))):
            user["st"] = [digest]
        if c.postal_code and (digest := places.postal_code_hash(c.postal_code, keys.unhashed(c.country))):
            user["zp"] = [digest]
        if c.country and (digest := keys.country_hash(c.country)):
            user["country"] = [digest]
        born = c.date_of_birth if self.settings.send_date_of_birth else None
        if born and (digest := keys.hashed(born, date_of_birth, c.event_time.year)):
            user["db"] = digest
        if c.ip_address and (address := keys.public_ip(c.ip_address)):
            user["client_ip_address"] = address
        if c.user_agent:
            user["client_user_agent"] = c.user_agent
        if app:
            if madid := mobile.advertising_id(c, self._version(c)):
                user["madid"] = madid.lower()
            if c.idfv:
                user["idfv"] = c.idfv
        if click_id := self.click_id(c):
            user["sc_click_id"] = click_id
        if cookie := c.ids.get("sc_cookie1"):
            user["sc_cookie1"] = cookie
        if c.lead_id:
            user["lead_id"] = c.lead_id
        if MATCH_KEYS.isdisjoint(user) and not user.keys() >= PAIRED_KEYS:
            raise Skip("no_match_key", f"needed: {self.match_rules[c.event_source]}")
        return user

    def _app_data(self, c: Conversion) -> dict[str, JSON]:
        app_id = self._app_id(c)
        if not app_id:
            raise Skip("unsupported", "an app event needs app_id, in the record or the settings")
        version = self._version(c)
        return {
            "app_id": app_id,
            "advertiser_tracking_enabled": int(mobile.tracking_allowed(c, version)),
            "extinfo": mobile.extinfo(c, version, c.app_name if app_id.isdecimal() else app_id),
        }

    def _app_id(self, c: Conversion) -> str:
        return c.app_id or self.settings.app_id or ""

    def _version(self, c: Conversion) -> str:
        # The App Store numbers apps; elsewhere the id is the package.
        return mobile.version(c) or (mobile.IOS if self._app_id(c).isdecimal() else mobile.ANDROID)

    def phone(self, raw: str, country_codes: tuple[str, ...]) -> str | None:
        return phones.digits_by_groups(raw, country_codes)

    def unusable(self, conversion: Conversion, sent: Collection[str]) -> Iterable[str]:
        yield from super().unusable(conversion, sent)
        if self.settings.send_date_of_birth:
            yield from left_out(conversion, {"date_of_birth": "db"}, sent)

    def match_keys(self, payload: Mapping[str, JSON]) -> Iterable[str]:
        return [*payload["user_data"]]

    def request(self, envelope: Mapping[str, JSON], payloads: Sequence[JSON]) -> Request:
        asset_id, endpoint = quote(envelope["asset_id"], safe=""), envelope["endpoint"]
        return Request(
            url=self.url(URL.format(asset_id=asset_id, endpoint=endpoint)),
            query={"access_token": self.settings.access_token},
            headers={"Content-Type": "application/json"},
            body=prune({"test_event_code": envelope.get("test_event_code"), "data": payloads}),
        )

    def error(self, body: Any) -> tuple[str, str]:
        if isinstance(body, str):
            return "", body
        if not isinstance(body, Mapping):
            return "", ""
        codes, messages = _errors(body)
        reason = body.get("reason")
        texts = dict.fromkeys(filter(None, [reason if isinstance(reason, str) else "", *messages]))
        return codes[0] if codes else "", "; ".join(texts)

    def outcomes(self, response: Response, count: int) -> list[Outcome]:
        whole, body = self._judged(response), response.body
        if not 200 <= response.status < 300 or not isinstance(body, Mapping):
            return [whole] * count
        if not whole.shared and (records := _list(body, "error_records")):
            return _recorded(records, count)
        logged = dict(_logged(_list(body, "event_logs"), count, tested=body.get("test_event") is True))
        refused = any(outcome.verdict is Verdict.REJECTED for outcome in logged.values())
        if whole.verdict is Verdict.ACCEPTED or (whole.shared and refused and len(logged) == count):
            return [logged.get(index, whole) for index in range(count)]
        return [whole] * count

    def _judged(self, response: Response) -> Outcome:
        code, message = self.error(response.body)
        if 200 <= response.status < 300:
            return _processed(response.body, code, message)
        verdict = by_status(response.status)
        if response.status == 400 and _CREDENTIALS.search(" ".join(_texts_in(response.body))):
            verdict = Verdict.CREDENTIALS
        return Outcome(verdict, code, message, shared=True)

    def warning(self, response: Response) -> str:
        text = response.body if 200 <= response.status < 300 and isinstance(response.body, str) else ""
        return "the answer is no JSON; taken for a success" if text.strip() and not _is_page(text) else ""


def _custom_data(c: Conversion) -> dict[str, JSON]:
    data: dict[str, JSON] = {}
    if c.currency:
        data["currency"] = c.currency
    if c.value is not None:
        data["value"] = c.value
    if c.order_id:
        data["order_id"] = c.order_id
    if (count := item_count(c)) is not None:
        data["num_items"] = count
    items = [item for item in c.contents if item.id]
    if items:
        data["content_ids"] = [item.id for item in items]
    if c.content_type:
        data["content_type"] = c.content_type
    if c.contents:
        if c.contents[0].name:
            data["content_name"] = c.contents[0].name
        if category := next((item.category for item in c.contents if item.category), None):
            data["content_category"] = category
    if c.search_query:
        data["search_string"] = c.search_query
    if c.description:
        data["description"] = c.description
    if c.properties:
        for name, read in PROPERTIES.items():
            if (value := read(c.properties.get(name))) is not None:
                data[name] = value
    if items:
        data["contents"] = [_content(item) for item in items]
    return data


def _content(item: Item) -> dict[str, JSON]:
    content: dict[str, JSON] = {"id": item.id}
    if item.quantity is not None:
        content["quantity"] = item.quantity
    if item.price is not None:
        content["item_price"] = item.price
    if item.brand:
        content["brand"] = item.brand
    return content


def _processed(body: Any, code: str, message: str) -> Outcome:
    """A 200 is no success: ``status`` is, or an answer that says nothing."""
    if body is None or (isinstance(body, str) and not body.strip()):
        return Outcome(Verdict.ACCEPTED)
    if isinstance(body, str):
        if _is_page(body):
            return Outcome(Verdict.TRANSIENT, "", "a page of HTML instead of an answer", shared=True)
        return Outcome(Verdict.ACCEPTED, "", "taken for a success, though the answer is no JSON")
    word = body.get("status") if isinstance(body, Mapping) else None
    status = word.upper() if isinstance(word, str) else ""
    if status in VALID and not code:
        return Outcome(Verdict.ACCEPTED)
    if status in INVALID:
        return Outcome(Verdict.REJECTED, code, message, shared=True)
    if not status:
        return Outcome(Verdict.REJECTED, code, message or "no status in the answer", reason="unconfirmed")
    return Outcome(Verdict.REJECTED, code, f"status {status}: {message}")


def _recorded(records: Iterable[Mapping[str, Any]], count: int) -> list[Outcome]:
    """The older form of a success in part, which names the events that were refused."""
    refused = {
        index: Outcome(Verdict.REJECTED, "", str(record.get("reason") or ""))
        for record in records
        for index in _list(record, "record_indexes", int)
        if 0 <= index < count
    }
    if not refused:
        return [Outcome(Verdict.REJECTED, "", "refused in part, without saying which", reason="unconfirmed")] * count
    return [refused.get(index, Outcome(Verdict.ACCEPTED)) for index in range(count)]


def _logged(logs: Iterable[Mapping[str, Any]], count: int, *, tested: bool) -> Iterable[tuple[int, Outcome]]:
    """What a validation says of each event."""
    for log in logs:
        index, status = log.get("event"), log.get("status")
        if type(index) is not int or not 0 <= index < count or not isinstance(status, str):
            continue
        codes, messages = _errors(log)
        if status.upper() in VALID:
            yield index, Outcome(Verdict.ACCEPTED, "", "; ".join(_list(log, "warnings", str)) if tested else "")
        else:
            yield index, Outcome(Verdict.REJECTED, codes[0] if codes else "", "; ".join(messages))


def _is_page(text: str) -> bool:
    """Whether it is a portal's or a proxy's, not Snapchat's word."""
    return text.lstrip().startswith("<")


def _texts_in(body: Any) -> Iterable[str]:
    """Every text of an answer; of one that is about an event, none: such a text speaks of the event."""
    if isinstance(body, str):
        return [body]
    if isinstance(body, Mapping):
        body = [] if isinstance(body.get("event"), int) else [*body.values()]
    return [text for member in body for text in _texts_in(member)] if isinstance(body, list) else []


def _errors(holder: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    errors = holder.get("errors")
    if not isinstance(errors, Mapping):
        return [], []
    codes = [str(code) for code in _list(errors, "codes", (str, int, float)) if code != ""]
    return codes, _list(errors, "error_msgs", str)


def _list(holder: Mapping[str, Any], key: str, kind: Any = Mapping) -> list[Any]:
    members = holder.get(key)
    return [member for member in members if isinstance(member, kind)] if isinstance(members, list) else []


NETWORK = Snapchat
