"""X (Twitter), Conversion API for web events. https://docs.x.com/x-ads-api/measurement/web-conversions"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from email.utils import formatdate
from typing import Any, ClassVar
from urllib.parse import unquote

import msgspec

from target_adpostbacks.core import match_keys as keys
from target_adpostbacks.core import phones
from target_adpostbacks.core.answers import JSON, Outcome, Request, Response, Skip, Verdict, by_code, by_status
from target_adpostbacks.core.conversion import Conversion, Item
from target_adpostbacks.core.events import ByEvent, EventTable
from target_adpostbacks.core.network import Limits, Network
from target_adpostbacks.core.payloads import decimal_text, item_count
from target_adpostbacks.core.postback import milliseconds
from target_adpostbacks.core.revenue import completed, paired
from target_adpostbacks.networks._x.settings import XSettings
from target_adpostbacks.networks._x.signing import Signer, authorization

URL = "https://ads-api.x.com/{api_version}/measurement/conversions/{pixel_id}"
SOURCES = ("web", "offline", "crm")  # its API for app events is another one
MATCH_RULE = "twclid, email or phone; or an IPv4 ip_address with user_agent"
STRONG = ("twclid", "hashed_email", "hashed_phone_number")
MAX_AGE_DAYS = 90

NO_ACCESS = "does not have access to account"
PHRASES = (
    NO_ACCESS,
    "does not belong to provided account",
    "is not a single event tag",
    "Event ID was not found",
    "Conversion count limit is 500",
    "At least one user identifier must be provided",
    "is not a valid SHA-256 hash",
    "Expected Time in yyyy-MM-ddTHH:mm:ss.SSSZ",
)
"""What is kept of a message: the rest quotes what was sent."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\[\]]{0,63}").fullmatch


class X(Network[XSettings]):
    name = "x"
    title = "X"
    aliases = ("x ads", "x_ads", "twitter", "twitter ads", "twitter_ads")
    docs = "https://docs.x.com/x-ads-api/measurement/web-conversions"
    settings_type = XSettings
    events: ClassVar[Mapping[str, str | None]] = {
        "purchase": "PURCHASE",
        "game_launch": "CUSTOM",
        "install": "CUSTOM",
        "session_start": "CUSTOM",
        "sign_up": "SIGN_UP",
        "lead": "SIGN_UP",
        "email_acquired": "SIGN_UP",
        "add_to_cart": "ADD_TO_CART",
        "wishlist_add": "ADD_TO_WISHLIST",
        "wishlist_remove": "CUSTOM",
        "begin_checkout": "CHECKOUT_INITIATED",
        "add_payment_info": "ADDED_PAYMENT_INFO",
        "view_content": "CONTENT_VIEW",
        "search": "SEARCH",
        "start_trial": "START_TRIAL",
        "subscribe": "SUBSCRIBE",
        "contact": "CUSTOM",
        "download": "DOWNLOAD",
        "schedule": "CUSTOM",
        "submit_application": "CUSTOM",
        "level_achieved": "CUSTOM",
        "tutorial_complete": "CUSTOM",
        "ad_click": "CUSTOM",
        "ad_impression": "CUSTOM",
        "page_view": "SITE_VISIT",
    }
    event_kind = "type to choose for its event"
    link_field = "ad > Website URL"
    click_ids = ids = ("twclid",)
    click_id_example = "23opevjt88psuo13lu8d020qk"
    standard_events = frozenset()
    assets: ClassVar[Mapping[str, str]] = dict.fromkeys(SOURCES, "pixel_id")
    match_rules: ClassVar[Mapping[str, str]] = dict.fromkeys(SOURCES, MATCH_RULE)
    match_columns: ClassVar[Mapping[str, str]] = {
        "email": "hashed_email",
        "phone": "hashed_phone_number",
        "ip_address": "ip_address",
    }
    denials = ("limited_data_use", "opt_out")
    test_setting = "test_event_ids"
    tests_by_event = True
    request_limits = Limits(events=500)  # bytes: not documented
    max_age = timedelta(days=MAX_AGE_DAYS)  # unconfirmed: what is older lies outside every attribution window
    max_ahead = timedelta(minutes=10)
    dedup_window = timedelta(hours=48)  # that two requests deduplicate as pixel and request do: unconfirmed
    counts_within = "14 days of a click, 1 of a view; at most 90"
    codes: ClassVar[Mapping[str, Verdict]] = {
        **dict.fromkeys(("INVALID_PARAMETER", "MISSING_PARAMETER", "NOT_FOUND"), Verdict.REJECTED),
        "UNAUTHORIZED_ACCESS": Verdict.CREDENTIALS,
        "UNAUTHORIZED_CLIENT_APPLICATION": Verdict.CREDENTIALS,
        "READONLY_CLIENT_APPLICATION": Verdict.CREDENTIALS,
        "ACCOUNT_NOT_FOUND": Verdict.CREDENTIALS,
        "CURRENT_USER_SUSPENDED": Verdict.CREDENTIALS,
        "ROUTE_NOT_FOUND": Verdict.CREDENTIALS,
        "TOO_MANY_REQUESTS": Verdict.THROTTLED,
        **dict.fromkeys(
            ("CANCELLED_REQUEST", "LOCK_ACQUISITION_TIMEOUT", "INTERNAL_ERROR", "SERVICE_UNAVAILABLE", "OVER_CAPACITY"),
            Verdict.TRANSIENT,
        ),
    }
    statuses: ClassVar[Mapping[int, Verdict]] = {423: Verdict.TRANSIENT}
    advice: ClassVar[Mapping[str, str]] = {
        "INVALID_PARAMETER": "Correct the field that the message names, or leave its column out.",
        "MISSING_PARAMETER": "Map the column of the field that the message names.",
        "NOT_FOUND": "Compare event_ids with Events Manager: the ad account has to own the events.",
        "UNAUTHORIZED_ACCESS": "Generate a new pixel_token, or new OAuth keys: these are wrong or were revoked.",
        "UNAUTHORIZED_CLIENT_APPLICATION": "Apply for access to the Ads API for the app, or use a pixel_token.",
        "READONLY_CLIENT_APPLICATION": "Give the app write access, or use a pixel_token.",
        "ACCOUNT_NOT_FOUND": "Compare pixel_id with Events Manager.",
        "CURRENT_USER_SUSPENDED": "The user of access_token is suspended; take another one, or a pixel_token.",
        "ROUTE_NOT_FOUND": "Compare pixel_id with Events Manager, and api_version with what X still serves.",
        "TOO_MANY_REQUESTS": "Lower requests_per_second; the next run sends what is open.",
    }

    def __init__(self, settings: XSettings, preset: EventTable | None = None, account: str = "default") -> None:
        super().__init__(settings, preset, account)
        self._receivers = {False: ByEvent(settings.event_ids), True: ByEvent(settings.test_event_ids)}
        self._age_limit = timedelta(days=settings.max_event_age_days or MAX_AGE_DAYS)
        self._url = URL.format(api_version=settings.api_version, pixel_id=settings.pixel_id)

    def age_limit(self, conversion: Conversion) -> timedelta:
        return self._age_limit

    @property
    def longest_age(self) -> timedelta:
        return self._age_limit

    def canonical_events(self, conversion: Conversion) -> Mapping[str, str | None]:
        return {}

    def custom_event(self, name: str, conversion: Conversion) -> str:
        """The account's event that receives it; tests have their own."""
        if event_id := self._receivers[conversion.test].get(name):
            return event_id
        if conversion.test:
            raise Skip("test_without_code", "X has no test tool; map the event in test_event_ids to one made for tests")
        raise Skip("event_off", "no event of the account; add one to event_ids")

    def click(self, conversion: Conversion) -> tuple[str, str] | None:
        click = super().click(conversion)
        click_id = click and _out_of_cookie(click[1])
        return ("twclid", click_id) if click_id else None

    def envelope(self, conversion: Conversion) -> dict[str, JSON]:
        return {"test": True} if conversion.test else {}

    def priced(self, conversion: Conversion) -> Conversion:
        return paired(completed(conversion, self.settings.default_currency))

    def payload(self, conversion: Conversion) -> JSON:
        c = conversion
        payload: dict[str, JSON] = {
            "conversion_time": milliseconds(c.event_time).replace("+00:00", "Z"),
            "event_id": self.event(c),
            "identifiers": self._identifiers(c),
        }
        if c.value is not None:
            payload["value"] = price(c.value)
        if c.currency:
            payload["price_currency"] = c.currency
        if count := item_count(c):
            payload["number_items"] = count
        is_order = c.order_id and self.settings.conversion_id_from == "order_id"
        payload["conversion_id"] = c.order_id if is_order else c.event_id
        if c.description:
            payload["description"] = c.description
        if c.contents and (contents := [item for item in map(_content, c.contents) if item]):
            payload["contents"] = contents
        return payload

    def _identifiers(self, c: Conversion) -> list[dict[str, JSON]]:
        identifiers: list[dict[str, JSON]] = []
        if click_id := self.click_id(c):
            identifiers.append({"twclid": click_id})
        if c.email and (digest := keys.first_hashed(c.email, keys.email)):
            identifiers.append({"hashed_email": digest})
        if c.phone and (digest := keys.first_hashed(c.phone, phones.e164, self.settings.country_codes(c.country))):
            identifiers.append({"hashed_phone_number": digest})
        device: dict[str, JSON] = {}
        if c.ip_address and (address := self._ipv4(c.ip_address)):
            device["ip_address"] = address
        if c.user_agent:
            device["user_agent"] = c.user_agent
        if len(device) == 2:
            identifiers.append(device)
        elif identifiers:
            identifiers[0] |= device  # alone it identifies nobody
        else:
            raise Skip("no_match_key", f"needed: {MATCH_RULE}")
        return identifiers

    def ip_address(self, raw: str) -> str | None:
        return keys.plain_ip(raw)

    def _ipv4(self, raw: str) -> str | None:
        """The public IPv4 address; None for another one (unconfirmed: only the dotted form is documented)."""
        address = self.ip_address(raw)
        return None if not address or ":" in address else address

    def match_keys(self, payload: Mapping[str, JSON]) -> Iterable[str]:
        return [name for identifier in payload["identifiers"] for name in identifier]

    def request(self, envelope: Mapping[str, JSON], payloads: Sequence[JSON]) -> Request:
        token = self.settings.pixel_token
        return Request(
            url=self.url(self._url),
            headers={"Content-Type": "application/json", **({"X-Pixel-Token": token} if token else {})},
            body={"conversions": payloads},
        )

    def signed(self, request: Request, at: datetime, nonce: str) -> Request:
        """With OAuth 1.0a: X's own URL is signed, whatever ``base_url`` says; a proxy passes it on."""
        s = self.settings
        if s.pixel_token:
            return request
        by = Signer(s.consumer_key or "", s.consumer_secret or "", s.access_token or "", s.access_token_secret or "")
        header = authorization(request.method, self._url, by, str(int(at.timestamp())), nonce)
        return msgspec.structs.replace(request, headers={**request.headers, "Authorization": header})

    def request_id(self, response: Response) -> str:
        debug_id = _data(response.body).get("debug_id")
        return debug_id if isinstance(debug_id, str) else ""

    def retry_after(self, response: Response) -> str:
        """What the header says, else the latest reset, in epoch seconds, of the limits of which nothing is left."""
        if (asked := super().retry_after(response)) or response.status != 429:
            return asked
        headers = response.headers
        limits = [f"x-{kind}rate-limit-" for kind in ("", "account-")]
        resets = [headers.get(f"{limit}reset", "") for limit in limits if headers.get(f"{limit}remaining", "0") == "0"]
        epochs = [int(reset) for reset in resets if re.fullmatch(r"[0-9]{1,10}", reset)]
        return formatdate(max(epochs), usegmt=True) if epochs else ""

    def outcomes(self, response: Response, count: int) -> list[Outcome]:
        body, status = response.body, response.status
        if errors := _errors(body):
            read = sorted((self._error(error, status) for error in errors), key=lambda each: URGENT.index(each.verdict))
            urgent = [each.message for each in read if each.message and each.verdict is read[0].verdict]
            return [read[0]._replace(message="; ".join(dict.fromkeys(urgent))[:500])] * count
        if not 200 <= status < 300:
            return [Outcome(by_status(status, self.statuses), shared=True)] * count
        if isinstance(body, str) and body.lstrip().startswith("<"):  # from somebody in between
            return [Outcome(Verdict.TRANSIENT, message="a web page in place of an answer", shared=True)] * count
        processed = _data(body).get("conversions_processed")
        if type(processed) is int and processed == count:
            return [Outcome(Verdict.ACCEPTED)] * count
        told = f"{processed} of {count} processed" if type(processed) is int else "no count of conversions"
        return [Outcome(Verdict.REJECTED, "", told, reason="unconfirmed")] * count

    def _error(self, error: Mapping[str, Any], status: int) -> Outcome:
        code, parameter, text = (_text(error, key) for key in ("code", "parameter", "message"))
        code, parameter = (name if _NAME(name) else "" for name in (code, parameter))  # else it may quote a value
        phrase = next((phrase for phrase in PHRASES if phrase in text), "")
        message = ": ".join(filter(None, (parameter, phrase)))
        if 200 <= status < 300:  # it says both: nobody knows what it kept
            return Outcome(Verdict.REJECTED, code, message, reason="unconfirmed")
        verdict = Verdict.TRANSIENT if status >= 500 else by_code(code, status, self.codes)
        if status == 404 and phrase == NO_ACCESS:
            verdict = Verdict.CREDENTIALS
        return Outcome(verdict, code, message, shared=True)


URGENT = (Verdict.CREDENTIALS, Verdict.THROTTLED, Verdict.TRANSIENT, Verdict.REJECTED, Verdict.ACCEPTED)
"""Which of several errors of one answer counts: the first."""


def _out_of_cookie(written: str) -> str | None:
    """``'{"twclid": "23op"}'``, in percents too, -> ``'23op'`` (unconfirmed); None without one; a click id as it is."""
    text = unquote(written) if written.startswith("%7B") else written
    if not text.startswith("{"):
        return written
    try:
        click_id = msgspec.json.decode(text).get("twclid")
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return click_id.strip() or None if isinstance(click_id, str) else None


def price(number: int | float) -> str:
    """``25`` -> ``'25.00'``, ``123.3345`` as it is: at least two decimals."""
    whole, _, decimals = decimal_text(number).partition(".")
    return f"{whole}.{decimals:0<2}"


def _content(item: Item) -> dict[str, JSON]:
    content: dict[str, JSON] = {}
    if item.id:
        content["content_id"] = item.id
    if item.group_id:
        content["content_group_id"] = item.group_id
    if item.name:
        content["content_name"] = item.name
    if item.category:
        content["content_type"] = item.category
    if item.price is not None:
        content["content_price"] = price(item.price)
    if item.quantity is not None:
        content["num_items"] = item.quantity
    return content


def _data(body: Any) -> Mapping[str, Any]:
    data = body.get("data") if isinstance(body, Mapping) else None
    return data if isinstance(data, Mapping) else {}


def _errors(body: Any) -> Sequence[Mapping[str, Any]]:
    errors = body.get("errors") if isinstance(body, Mapping) else None
    return [error if isinstance(error, Mapping) else {} for error in errors] if isinstance(errors, list) else []


def _text(error: Mapping[str, Any], key: str) -> str:
    value = error.get(key)
    return value if isinstance(value, str) else ""


NETWORK = X
