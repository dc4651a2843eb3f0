"""Reddit Conversions API v3. https://ads-api.reddit.com/docs/v3/operations/Post%20Conversion%20Events"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import quote

from target_adpostbacks.core import match_keys as keys
from target_adpostbacks.core import mobile, phones, places
from target_adpostbacks.core.answers import JSON, Outcome, Request, Response, Skip, Verdict, by_status
from target_adpostbacks.core.conversion import EVENT_SOURCES, Conversion, Item
from target_adpostbacks.core.network import Limits, Network
from target_adpostbacks.core.payloads import item_count, prune
from target_adpostbacks.core.settings import PhoneSettings, doc

URL = "https://ads-api.reddit.com/api/v3/pixels/{pixel_id}/conversion_events"

ActionSource = Literal["WEBSITE", "APP", "PHYSICAL_STORE", "OTHER"]
ACTION_SOURCES: Mapping[str, ActionSource] = {
    "web": "WEBSITE",
    "app": "APP",
    "offline": "PHYSICAL_STORE",
    "crm": "OTHER",
}

TRACKING_TYPES = frozenset("PAGE_VISIT VIEW_CONTENT SEARCH ADD_TO_CART ADD_TO_WISHLIST PURCHASE LEAD SIGN_UP".split())
MAX_SCREEN = 32767
NO_MATCH_KEYS = frozenset({"screen_dimensions", "data_processing_options"})
WITHOUT_VALUE = frozenset({"PAGE_VISIT", "VIEW_CONTENT", "SEARCH"})
WITHOUT_ITEM_COUNT = WITHOUT_VALUE | {"LEAD", "SIGN_UP"}

_PROCESSED = re.compile(r"\bprocessed (\d{1,9}) ")
_RATE_LIMIT_RESET = re.compile(r"\bt=(\d+)")
_REGION = re.compile(r"([A-Z]{2}-)?[A-Z0-9]{1,3}").fullmatch


class RedditSettings(PhoneSettings, frozen=True, kw_only=True):
    pixel_id: Annotated[
        str,
        doc(
            "The pixel's id: `a2_…`, of old accounts `t2_…`.",
            where="Ads Manager > Events Manager, beside the pixel's name",
            example="a2_demo1234",
        ),
    ]
    access_token: Annotated[
        str,
        doc(
            "Token of the Conversions API. Any admin of the ad account creates it. It does not expire.",
            where="Events Manager > the pixel > Conversions API > Generate Conversion Access Token",
            example="example-access-token",
            secret=True,
        ),
    ]
    test_id: Annotated[
        str | None,
        doc("For records with `test: true`.", where="Events Manager > Event testing", example="t2_demo_test"),
    ] = None
    user_agent: Annotated[
        str, doc("User agent of requests. Reddit throttles generic ones: put your account into it.")
    ] = "server:target-adpostbacks:0.1.0 (by /u/target-adpostbacks)"
    match_policy: Annotated[
        Literal["click_id_or_email", "any_match_key"], doc("Which match keys a conversion needs to be sent.")
    ] = "click_id_or_email"
    action_source: Annotated[ActionSource | None, doc("Overrides the value derived from `event_source`.")] = None
    hash_ip: Annotated[bool, doc("Send ip_address hashed. Reddit accepts both.")] = False

    def problems(self) -> Iterable[str]:
        yield from super().problems()
        if not re.fullmatch(r"(a2|t2)_[A-Za-z0-9]+", self.pixel_id):
            yield "pixel_id: a2_ and letters or digits expected, as Events Manager shows it beside the pixel's name"
        if not self.user_agent.isprintable() or not self.user_agent.isascii():
            yield "user_agent: one line of plain ASCII expected"

    def hints(self) -> Iterable[str]:
        if self.pixel_id.startswith("t2_"):
            yield "pixel_id: t2_ is the form of old accounts; new pixels begin with a2_"


class Reddit(Network[RedditSettings]):
    name = "reddit"
    title = "Reddit"
    aliases = ("reddit ads", "reddit_ads")
    docs = "https://business.reddithelp.com/s/article/Conversions-API"
    deletion = "POST https://ads-api.reddit.com/api/v3/pixels/{pixel_id}/data_deletion_jobs"
    settings_type = RedditSettings
    events: ClassVar[Mapping[str, str | None]] = {
        "purchase": "PURCHASE",
        "game_launch": "game_launch",
        "install": "install",
        "session_start": "session_start",
        "sign_up": "SIGN_UP",
        "lead": "LEAD",
        "email_acquired": "LEAD",
        "add_to_cart": "ADD_TO_CART",
        "wishlist_add": "ADD_TO_WISHLIST",
        "wishlist_remove": "wishlist_remove",
        "begin_checkout": "begin_checkout",
        "add_payment_info": "add_payment_info",
        "view_content": "VIEW_CONTENT",
        "search": "SEARCH",
        "start_trial": "start_trial",
        "subscribe": "subscribe",
        "contact": "LEAD",
        "download": "download",
        "schedule": "LEAD",
        "submit_application": "LEAD",
        "level_achieved": "level_achieved",
        "tutorial_complete": "tutorial_complete",
        "ad_click": None,
        "ad_impression": None,
        "page_view": "PAGE_VISIT",
    }
    links: ClassVar[Mapping[str, str]] = {
        "campaign_id": "{{CAMPAIGN_ID}}",
        "ad_group_id": "{{ADGROUP_ID}}",
        "ad_id": "{{AD_ID}}",
    }
    link_field = "ad > Destination URL"
    click_ids = ("rdt_cid",)
    click_id_example = "3184742045291813272"
    click_match_keys = ("click_id",)
    click_id_form = r"[0-9]{17,20}\Z"
    ids = ("rdt_cid", "rdt_uuid")
    standard_events = TRACKING_TYPES
    assets: ClassVar[Mapping[str, str]] = dict.fromkeys(EVENT_SOURCES, "pixel_id")
    match_rules: ClassVar[Mapping[str, str]] = dict.fromkeys(
        EVENT_SOURCES,
        "rdt_cid or email; with match_policy any_match_key phone, external_id, advertising_id, rdt_uuid, ip_address",
    )
    match_columns: ClassVar[Mapping[str, str]] = {
        "email": "email",
        "phone": "phone_number",
        "ip_address": "ip_address",
    }
    test_setting = "test_id"
    request_limits = Limits(events=1000, bytes=1024 * 1024)
    max_age = timedelta(hours=168) - timedelta(minutes=10)  # one stale event refuses its whole batch
    max_ahead = timedelta(minutes=5)
    dedup_window = timedelta(hours=48)
    counts_within = "as its reports are set"
    statuses: ClassVar[Mapping[int, Verdict]] = {404: Verdict.CREDENTIALS}
    advice: ClassVar[Mapping[str, str]] = {
        "400": "Correct the field that the message names, or leave its column out.",
        "401": "Generate a new access_token: this one was cut when it was copied, or was revoked.",
        "403": "Generate the token as an admin of the ad account that the pixel belongs to: this one is for another "
        "pixel.",
        "404": "Compare pixel_id with Events Manager: it begins with a2_, in old accounts with t2_. There is no such "
        "pixel, or the token can't see it.",
        "410": "Update target-adpostbacks: Reddit has switched this version of its API off.",
        "429": "Lower requests_per_second, and name your account in user_agent.",
    }
    advice_by_words: ClassVar[Mapping[str, str]] = {
        "must be less than 168h": "Send sooner: Reddit takes an event for seven days.",
        "unknown field": "Report it: target-adpostbacks sent a field that Reddit does not know.",
        "action_source": "Set action_source to WEBSITE, APP, PHYSICAL_STORE or OTHER, or leave the setting out.",
    }

    def limits_data_use(self, conversion: Conversion) -> bool:
        return True

    def custom_event(self, name: str, conversion: Conversion) -> str:
        if len(name) > 64:
            raise Skip("unsupported", "a custom event's name has at most 64 characters; map it with event_map")
        return name

    def envelope(self, conversion: Conversion) -> dict[str, JSON]:
        code = self.test_code(conversion)
        return {"test_id": code} if code else {}

    def payload(self, conversion: Conversion) -> JSON:
        c = conversion
        action_source = self.settings.action_source or ACTION_SOURCES[c.event_source]
        event = self.event(c)
        standard = event in TRACKING_TYPES
        click_id = self.click_id(c)
        user = self._user(c)
        if not (click_id or "email" in user or (self.settings.match_policy == "any_match_key" and _matches(user))):
            raise Skip("no_match_key", f"needed: {self.match_rules[c.event_source]}")
        payload: dict[str, JSON] = {
            "event_at": int(c.event_time.timestamp() * 1000 + 0.5),
            "action_source": action_source,
        }
        if action_source == "WEBSITE":
            if c.event_source_url:
                payload["event_source_url"] = c.event_source_url
            if c.referrer_url:
                payload["referrer_url"] = c.referrer_url
        if click_id:
            payload["click_id"] = click_id
        payload["type"] = (
            {"tracking_type": event} if standard else {"tracking_type": "CUSTOM", "custom_event_name": event}
        )
        payload["metadata"] = _metadata(c, event)
        if user:
            payload["user"] = user
        return payload

    def _user(self, c: Conversion) -> dict[str, JSON]:
        user: dict[str, JSON] = {}
        if c.email and (digest := keys.first_hashed(c.email, email)):
            user["email"] = digest
        if c.phone and (digest := keys.first_hashed(c.phone, phones.e164, self.settings.country_codes(c.country))):
            user["phone_number"] = digest
        if c.external_id and (digest := keys.first_hashed(c.external_id, keys.trimmed)):
            user["external_id"] = digest
        if idfa := mobile.idfa(c):
            if digest := keys.hashed(idfa, keys.idfa):
                user["idfa"] = digest
        elif (aaid := mobile.gaid(c)) and (digest := keys.hashed(aaid, keys.gaid)):
            user["aaid"] = digest
        if c.ip_address and (address := self._ip_address(c.ip_address)):
            user["ip_address"] = address
        if c.user_agent:
            user["user_agent"] = c.user_agent
        if uuid := c.ids.get("rdt_uuid"):
            user["uuid"] = uuid
        if screen := _screen_dimensions(c.screen_width, c.screen_height):
            user["screen_dimensions"] = screen
        if c.limited_data_use or c.opt_out:
            user["data_processing_options"] = _limited_data_use(c)
        return user

    def _ip_address(self, raw: str) -> str | None:
        if digest := keys.digest_of(raw):
            return digest
        address = keys.public_ip(raw)
        return keys.sha256(address) if self.settings.hash_ip else address

    def match_keys(self, payload: Mapping[str, JSON]) -> Iterable[str]:
        names = [name for name in payload.get("user", {}) if name not in NO_MATCH_KEYS]
        return ["click_id", *names] if "click_id" in payload else names

    def request(self, envelope: Mapping[str, JSON], payloads: Sequence[JSON]) -> Request:
        return Request(
            url=self.url(URL.format(pixel_id=quote(self.settings.pixel_id, safe=""))),
            headers={
                "Authorization": f"Bearer {self.settings.access_token}",
                "Content-Type": "application/json",
                "Accept": "application/json",
                "User-Agent": self.settings.user_agent,
            },
            body={"data": {**envelope, "events": payloads}},
        )

    def error(self, body: Any) -> tuple[str, str]:
        if isinstance(body, str):
            return "", body
        if not isinstance(body, Mapping):
            return "", ""
        error = body.get("error")
        if isinstance(error, Mapping):
            return str(error.get("code") or ""), str(error.get("message") or error.get("explanation") or "")
        invalid = body.get("invalid_events")
        first = invalid[0] if isinstance(invalid, list) and invalid else None
        refusal = first.get("error_message") if isinstance(first, Mapping) else None
        return "", str(refusal or body.get("message") or "")

    def retry_after(self, response: Response) -> str:
        reset = _RATE_LIMIT_RESET.search(response.headers.get("ratelimit", ""))
        return response.headers.get("retry-after") or (reset[1] if reset else "")

    def outcomes(self, response: Response, count: int) -> list[Outcome]:
        if not 200 <= response.status < 300:
            return [self._judged(response)] * count
        return [self._processed(response.body, count)] * count

    def _judged(self, response: Response) -> Outcome:
        # The status says it all; the code in a body repeats it.
        code, message = self.error(response.body)
        return Outcome(by_status(response.status, self.statuses), code, message, shared=True)

    def _processed(self, body: Any, count: int) -> Outcome:
        """Reddit says how many events of the request it processed, in words."""
        if not isinstance(body, Mapping):
            return Outcome(Verdict.TRANSIENT, "", "no JSON object in the answer", shared=True)
        if "error" in body:
            return Outcome(Verdict.REJECTED, *self.error(body), shared=True)
        if body.get("success") is False or body.get("invalid_events"):
            return Outcome(Verdict.REJECTED, *self.error(body), reason="unconfirmed")
        data = body.get("data")
        message = str((data if isinstance(data, Mapping) else body).get("message") or "")
        processed = _PROCESSED.search(message)
        if processed and int(processed[1]) < count:
            return Outcome(Verdict.REJECTED, "", message, reason="unconfirmed" if int(processed[1]) else "")
        if "data" not in body and not processed:
            return Outcome(Verdict.REJECTED, "", message, reason="unconfirmed")
        plain = message == f"Successfully processed {count} conversion events."
        return Outcome(Verdict.ACCEPTED, "", "" if plain else message)


def email(raw: str) -> str | None:
    """Reddit's own rule, for every domain: before the @, the plus part and all but letters and digits go.

    Letters of every script stay (unconfirmed): without them ``jürgen`` would be somebody else's ``jrgen``.

    >>> email("Al.ice$+Apple@Example.Com")
    'alice@example.com'
    """
    address = keys.email(raw)
    if address is None:
        return None
    local, _, domain = address.partition("@")
    local = keys.letters_and_digits(local.partition("+")[0])
    return f"{local}@{domain}" if local else None


def _matches(user: Mapping[str, JSON]) -> bool:
    return not {"email", "phone_number", "external_id", "idfa", "aaid", "uuid", "ip_address"}.isdisjoint(user)


def _screen_dimensions(width: int | None, height: int | None) -> dict[str, JSON] | None:
    if width is None or height is None or max(width, height) > MAX_SCREEN:
        return None
    return {"width": width, "height": height}


def _limited_data_use(c: Conversion) -> dict[str, JSON]:
    return prune({"modes": ["LDU"], "country": keys.unhashed(c.country), "region": c.state and _region(c)})


def _region(c: Conversion) -> str | None:
    """``US-CA`` or ``CA``; None for a name that has no code: it would refuse the whole batch."""
    written = (c.state or "").upper()
    if not _REGION(written):
        written = (places.state(written, keys.unhashed(c.country)) or "").upper()
    return written if _REGION(written) else None


def _metadata(c: Conversion, event: str) -> dict[str, JSON]:
    metadata: dict[str, JSON] = {"conversion_id": c.event_id}
    if c.order_id:
        metadata["order_id"] = c.order_id
    if event not in WITHOUT_VALUE:
        if c.currency:
            metadata["currency"] = c.currency
        if c.value is not None:
            metadata["value"] = c.value
    if event not in WITHOUT_ITEM_COUNT and (count := item_count(c)) is not None:
        metadata["item_count"] = count
    if products := [_product(item) for item in c.contents if item.id]:
        metadata["products"] = products
    return metadata


def _product(item: Item) -> dict[str, JSON]:
    product: dict[str, JSON] = {"id": item.id}
    if item.name:
        product["name"] = item.name
    if item.category:
        product["category"] = item.category
    if item.quantity is not None:
        product["quantity"] = item.quantity
    if item.price is not None:
        product["item_price"] = item.price
    return product


NETWORK = Reddit
