"""Meta Conversions API: web, app, store and CRM events of one data set.

https://developers.facebook.com/docs/marketing-api/conversions-api/using-the-api
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import compress
from operator import attrgetter
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import quote

from target_adpostbacks.core import match_keys as keys
from target_adpostbacks.core import mobile, phones
from target_adpostbacks.core.answers import (
    JSON,
    Flow,
    Outcome,
    Request,
    Response,
    Skip,
    Verdict,
    by_status,
    each_or_skip,
)
from target_adpostbacks.core.conversion import EVENT_SOURCES, Conversion, Item
from target_adpostbacks.core.events import EventTable
from target_adpostbacks.core.network import IN_STEP, Limits, Network
from target_adpostbacks.core.payloads import as_integer, as_number, as_text, as_texts, prune
from target_adpostbacks.core.properties import passed_on
from target_adpostbacks.core.settings import PhoneSettings, doc
from target_adpostbacks.core.urls import has_query
from target_adpostbacks.networks._meta import cookies, hashes, rate_limits

DATA_SET_URL = "https://graph.facebook.com/{api_version}/{pixel_id}"
URL = DATA_SET_URL + "/events"

ActionSource = Literal[
    "website",
    "app",
    "physical_store",
    "system_generated",
    "email",
    "phone_call",
    "chat",
    "business_messaging",
    "other",
]
ACTION_SOURCES: Mapping[str, ActionSource] = {
    "web": "website",
    "app": "app",
    "offline": "physical_store",
    "crm": "system_generated",
}

STANDARD = frozenset(
    "AddPaymentInfo AddToCart AddToWishlist CompleteRegistration Contact CustomizeProduct Donate FindLocation "
    "InitiateCheckout Lead PageView Purchase Schedule Search StartTrial SubmitApplication Subscribe "
    "ViewContent".split()
)
ONLY_OF = {"app": frozenset({"MobileAppInstall"}), "offline": frozenset({"Other"})}
SPECIAL = frozenset({"AppendValue", "AppendAttribution"})  # corrections by measurement partners

MARGIN = timedelta(minutes=5)  # for batching and retries: one event too old refuses its whole batch
MAX_AGE_IN_STORE = timedelta(days=62) - MARGIN

TOO_LITTLE: tuple[frozenset[str], ...] = (
    frozenset({"ct", "country", "st", "zp", "ge", "client_user_agent"}),
    frozenset({"db", "client_user_agent"}),
    frozenset({"fn", "ge"}),
    frozenset({"ln", "ge"}),
)
"""Match keys that refuse an event, and its batch, where nothing else stands beside them (100/2804050)."""
MOST_TOO_LITTLE = max(map(len, TOO_LITTLE))

USER_PROPERTIES: Mapping[str, Callable[[JSON], JSON]] = {
    **dict.fromkeys("subscription_id ctwa_clid page_id page_scoped_user_id ig_account_id ig_sid".split(), as_text),
    "whatsapp_business_account_id": as_text,
    "fb_login_id": as_integer,
}
APP_PROPERTIES: Mapping[str, Callable[[JSON], JSON]] = {
    **dict.fromkeys("campaign_ids install_referrer installer_package windows_attribution_id".split(), as_text),
    "url_schemes": as_texts,
}
CUSTOM_PROPERTIES: Mapping[str, Callable[[JSON], JSON]] = {
    **dict.fromkeys(("net_revenue", "predicted_ltv"), as_number),
    **dict.fromkeys(("item_number", "customer_segmentation"), as_text),
}
CONTENT_PROPERTIES: Mapping[str, Callable[[JSON], JSON]] = {
    "content_ids": as_texts,
    **dict.fromkeys(("content_name", "content_category"), as_text),
}
"""Members of ``properties`` that Meta knows, and how it wants them; others are custom properties."""
CUSTOM_DATA = (
    "value currency order_id content_ids contents content_type content_name content_category num_items search_string "
    "description event_source"
).split()
NO_CUSTOM_DATA = frozenset(
    name.replace("_", "")
    for names in (CUSTOM_DATA, USER_PROPERTIES, APP_PROPERTIES, CUSTOM_PROPERTIES)
    for name in names
) | {"anonid", "messagingchannel", "applicationtrackingenabled"}
"""Custom properties that are never passed on as they are: those that we fill."""
NO_CUSTOM_DATA_OF_APPS = NO_CUSTOM_DATA.union(name.replace("_", "") for name in mobile.DEVICE_PROPERTIES)

NO_ITEM = Item()
CONTENT_TYPES = frozenset("product product_group hotel flight destination vehicle home_listing".split())

VERDICTS: Mapping[Verdict, Sequence[object]] = {
    Verdict.CREDENTIALS: (3, 10, "100/33", 102, 104, 190, *range(200, 300), 803, 2635),
    Verdict.THROTTLED: (4, 17, 32, 341, 613, *range(80000, 80015)),
    Verdict.REJECTED: (100, 105),
    Verdict.TRANSIENT: (1, 2, 368, 5000, 21009, *range(-9, 0)),
}
"""Codes, and codes with a subcode, by what they mean, whatever HTTP status they come with."""
DEAD_TOKENS = frozenset({"102", "104", "190", "2635"})
"""Codes that every call of a token gets, whatever it may do otherwise."""

_columns = attrgetter(
    *("email", "phone", "first_name", "last_name", "gender", "date_of_birth", "city", "state", "postal_code"),
    *("country", "external_id", "ip_address", "user_agent", "ids"),
)
"""What match keys are made of, in the order of ``user_data``; click ids and cookies stand in ``ids``."""

MadeOfColumn = Callable[[Sequence[Any], Sequence[Conversion], Sequence[float]], Sequence[JSON]]
"""Makes a match key of the values of a column, their conversions, and when these happened, in seconds."""


class MetaSettings(PhoneSettings, frozen=True, kw_only=True):
    pixel_id: Annotated[
        str,
        doc(
            "The data set's id, 15 or 16 digits.",
            where="Events Manager > Data sources > the data set > Settings",
            example="123456789012345",
        ),
    ]
    access_token: Annotated[
        str,
        doc(
            "A system user's token for this data set: `EAA…`.",
            where="Events Manager > Data sources > the data set > Settings > Conversions API > Generate access token",
            example="EAAexample",
            secret=True,
        ),
    ]
    app_secret: Annotated[
        str | None,
        doc(
            "32 hex digits, only if the token's app has Require App Secret on.",
            where="App dashboard > Settings > Basic",
            secret=True,
        ),
    ] = None
    api_version: Annotated[str, doc("Version of the Graph API.")] = "v25.0"
    test_event_code: Annotated[
        str | None,
        doc(
            "For records with `test: true`. Meta counts them as real ones.",
            where="Events Manager > Data sources > the data set > Test events",
            example="TEST12345",
        ),
    ] = None
    partner_agent: Annotated[str | None, doc("Short platform name, as agreed with Meta or your own.")] = None
    action_source: Annotated[ActionSource | None, doc("Overrides the value derived from `event_source`.")] = None
    data_processing_options: Annotated[
        tuple[Literal["LDU"], ...] | None,
        doc('`["LDU"]`: limited data use for every record that does not say `limited_data_use` itself.'),
    ] = None
    data_processing_options_country: Annotated[
        int, doc("Where limited data use applies: `0`: Meta finds out by the IP address; `1`: USA.", ge=0, le=1)
    ] = 0
    data_processing_options_state: Annotated[
        int, doc("The US state of limited data use: `0`: Meta finds out; `1000` California to `1014` Rhode Island.")
    ] = 0
    hash_external_id: Annotated[bool, doc("false: external_id is sent unhashed. Do as the browser pixel does.")] = True
    app_tracking_default: Annotated[
        int, doc("`application_tracking_enabled` of app events whose `properties` do not say it.", ge=0, le=1)
    ] = 1
    lead_event_source: Annotated[str | None, doc("The CRM's name, for CRM events: `Salesforce`.")] = None

    def problems(self) -> Iterable[str]:
        yield from super().problems()
        if not _fits(r"\d{5,20}", self.pixel_id):
            yield "pixel_id: digits only, the data set's id in Events Manager"
        if self.app_secret and not _fits(r"[0-9a-f]{32}", self.app_secret):
            yield "app_secret: 32 hex digits in lower case expected, as the app dashboard shows it"
        if not _fits(r"v\d{2}\.\d", self.api_version):
            yield "api_version: v, two digits, a dot and a digit expected, `v25.0`"
        if self.partner_agent and (
            len(self.partner_agent) > 22 or not re.search(r"[A-Za-z].*[A-Za-z]", self.partner_agent)
        ):
            yield "partner_agent: at most 22 characters, two of them letters"
        state = self.data_processing_options_state
        if state != 0 and not 1000 <= state <= 1014:
            yield "data_processing_options_state: 0 or one of 1000 to 1014 expected"
        elif (state == 0) == (self.data_processing_options_country == 1):
            yield "data_processing_options_state: country 1 needs a state from 1000 on, and country 0 takes none"

    def hints(self) -> Iterable[str]:
        if len(self.pixel_id) not in (15, 16):
            yield "pixel_id: not 15 or 16 digits; was it copied whole?"
        if not self.access_token.startswith("EAA"):
            yield "access_token: does not begin with EAA; is it a token of the Conversions API?"
        if self.test_event_code and not _fits(r"TEST\d+", self.test_event_code):
            yield "test_event_code: not TEST and digits; was it copied whole?"


class Meta(Network[MetaSettings]):
    name = "meta"
    title = "Meta"
    aliases = (
        *("meta ads", "meta_ads", "facebook", "facebook ads", "facebook_ads", "fb", "instagram", "instagram ads"),
        *("instagram_ads", "ig"),
    )
    docs = "https://developers.facebook.com/docs/marketing-api/conversions-api"
    settings_type = MetaSettings
    events: ClassVar[Mapping[str, str | None]] = {
        "purchase": "Purchase",
        "game_launch": "game_launch",
        "install": "MobileAppInstall",
        "session_start": "session_start",
        "sign_up": "CompleteRegistration",
        "lead": "Lead",
        "email_acquired": "Lead",
        "add_to_cart": "AddToCart",
        "wishlist_add": "AddToWishlist",
        "wishlist_remove": "wishlist_remove",
        "begin_checkout": "InitiateCheckout",
        "add_payment_info": "AddPaymentInfo",
        "view_content": "ViewContent",
        "search": "Search",
        "start_trial": "StartTrial",
        "subscribe": "Subscribe",
        "contact": "Contact",
        "download": "download",
        "schedule": "Schedule",
        "submit_application": "SubmitApplication",
        "level_achieved": "level_achieved",
        "tutorial_complete": "tutorial_complete",
        "ad_click": "ad_click",
        "ad_impression": "ad_impression",
        "page_view": "PageView",
    }
    links: ClassVar[Mapping[str, str]] = {
        "campaign_name": "{{campaign.name}}",
        "campaign_id": "{{campaign.id}}",
        "ad_group_id": "{{adset.id}}",
        "ad_id": "{{ad.id}}",
        "placement": "{{placement}}",
    }
    link_field = "ad > Tracking > URL parameters"
    link_is_query = True
    click_ids = ("fbclid",)
    click_id_example = "IwAR1"
    click_match_keys = ("fbc",)
    click_id_form = r"Iw[A-Z0-9][A-Za-z0-9]|fb\.[0-9]\.[0-9]{10,13}\."
    ids = ("fbclid", "fbc", "fbp")
    standard_events = STANDARD
    assets: ClassVar[Mapping[str, str]] = dict.fromkeys(EVENT_SOURCES, "pixel_id")
    match_rules: ClassVar[Mapping[str, str]] = dict.fromkeys(
        EVENT_SOURCES,
        "fbclid, fbc, fbp, email, phone, external_id, lead_id, ip_address, first_name with last_name, or for an app or"
        " a store advertising_id",
    )
    match_columns: ClassVar[Mapping[str, str]] = {
        "email": "em",
        "phone": "ph",
        "gender": "ge",
        "date_of_birth": "db",
        "ip_address": "client_ip_address",
    }
    match_properties = (*USER_PROPERTIES, "anon_id", "install_referrer", "windows_attribution_id")
    test_setting = "test_event_code"
    counts_tests = True
    request_limits = Limits(events=500)
    max_age = timedelta(days=7) - MARGIN
    max_ahead = timedelta(minutes=1)
    dedup_window = timedelta(hours=48)
    counts_within = "7 days of a click, 1 of a view"  # (unconfirmed: guides of others say so)
    throttled_seconds = 60
    codes: ClassVar[Mapping[str, Verdict]] = {str(code): verdict for verdict in VERDICTS for code in VERDICTS[verdict]}
    advice: ClassVar[Mapping[str, str]] = {
        "3": "Give the token's app the capability that the message names.",
        "10": "Give the token's system user permission to the data set, in Business settings.",
        "100/33": "Compare pixel_id with Events Manager, or generate a token that has access to this data set.",
        "100/2804003": "Send sooner: Meta takes an event for seven days, a store's for 62.",
        "100/2804009": "Map the column value: a purchase needs it.",
        "100/2804010": "Map the column currency with an ISO 4217 code: a purchase needs it.",
        "100/2804016": "Look for a custom property that holds personal data, and leave it out.",
        "100/2804050": "Map more columns that identify the person: a click id, email, phone or external_id, and "
        "ip_address with user_agent.",
        "102": "Generate a new access_token.",
        "104": "Set app_secret to the secret of the app that the token belongs to.",
        "190": "Generate a new access_token: this one has expired, was revoked or cut when it was copied, or its user "
        "changed the password.",
        "200": "Give the token's system user permission to the data set, in Business settings.",
        "368": "Wait: Meta blocks the account for a while. If it stays so, ask Meta's support.",
        "613": "Lower requests_per_second; the next run sends what is open.",
        "803": "Compare pixel_id with Events Manager.",
        "2635": "Set api_version to a version that Meta still serves.",
        "80004": "Lower requests_per_second; the next run sends what is open.",
    }

    def __init__(self, settings: MetaSettings, preset: EventTable | None = None, account: str = "default") -> None:
        super().__init__(settings, preset, account)
        self._made = self._match_keys_of_columns()
        self._fbc_times: tuple[list[str], Sequence[int] | None] = [], None

    def action_source(self, conversion: Conversion) -> str:
        return self.settings.action_source or ACTION_SOURCES[conversion.event_source]

    def age_limit(self, conversion: Conversion) -> timedelta:
        return MAX_AGE_IN_STORE if self.action_source(conversion) == "physical_store" else self.max_age

    @property
    def longest_age(self) -> timedelta:
        return MAX_AGE_IN_STORE

    def limits_data_use(self, conversion: Conversion) -> bool:
        return True

    def native_events(self, conversion: Conversion) -> frozenset[str]:
        return STANDARD | ONLY_OF.get(conversion.event_source, frozenset())

    def custom_event(self, name: str, conversion: Conversion) -> str:
        if name in SPECIAL:
            raise Skip("unsupported", "not an event of a conversion; map it with event_map")
        if len(name) > 50:
            raise Skip("unsupported", "a custom event's name has at most 50 characters; map it with event_map")
        return name

    def click(self, conversion: Conversion) -> tuple[str, str] | None:
        if click := super().click(conversion):
            return click
        # The _fbc cookie is nothing but a click id with the time of the click.
        if (fbc := conversion.ids.get("fbc")) and (cookie := cookies.usable(fbc, _milliseconds(conversion))):
            return "fbclid", cookie
        return None

    def click_ids_of(self, conversions: Sequence[Conversion]) -> Sequence[str | None]:
        fbcs = ["" if c.click_id or "fbclid" in c.ids or has_query(c) else c.ids.get("fbc", "") for c in conversions]
        if not fbcs or "" in fbcs:
            return super().click_ids_of(conversions)
        created = self._times_of(fbcs)
        first = min(conversions, key=_event_time)
        if created is None or max(created) > _milliseconds(first) + cookies.MAX_AHEAD:
            return super().click_ids_of(conversions)
        self.remember_click_ids(conversions, fbcs)
        return fbcs

    def _times_of(self, fbcs: Sequence[str]) -> Sequence[int] | None:
        """``cookies.all_created_at``, once for what is asked for again when payloads are built."""
        if len(fbcs) > IN_STEP:
            return cookies.all_created_at(fbcs)
        if [*fbcs] != self._fbc_times[0]:
            self._fbc_times = [*fbcs], cookies.all_created_at(fbcs)
        return self._fbc_times[1]

    def envelope(self, conversion: Conversion) -> dict[str, JSON]:
        code = self.test_code(conversion)
        return {"test_event_code": code} if code else {}

    def payload(self, conversion: Conversion) -> JSON:
        happened = conversion.event_time.timestamp()
        (user,) = self._of_columns((conversion,), (happened,))
        return self._payload(conversion, user, happened)

    def payloads(self, conversions: Sequence[Conversion], now: datetime) -> list[JSON | Skip]:
        if not conversions:
            return []
        happened = [c.event_time.timestamp() for c in conversions]
        people = self._of_columns(conversions, happened)
        return each_or_skip(self._payload, zip(conversions, people, happened, strict=True))

    def _payload(self, c: Conversion, user: dict[str, JSON], happened: float) -> JSON:
        event = self.event(c)
        action_source = self.action_source(c)
        if event == "Purchase" and c.value is None:
            raise Skip("unsupported", "a Purchase needs value and currency")
        payload: dict[str, JSON] = {
            "event_name": event,
            "event_time": int(happened),
            "event_id": c.event_id,
            "action_source": action_source,
        }
        if c.event_source_url:
            payload["event_source_url"] = c.event_source_url
        if c.referrer_url:
            payload["referrer_url"] = c.referrer_url
        if c.opt_out:
            payload["opt_out"] = True
        if c.limited_data_use or (c.limited_data_use is None and self.settings.data_processing_options):
            payload |= self._limited_data_use()
        if c.properties and (channel := as_text(c.properties.get("messaging_channel"))):
            payload["messaging_channel"] = channel
        payload["user_data"] = self._user_data(c, user, action_source)
        if custom_data := self._custom_data(c, action_source):
            payload["custom_data"] = custom_data
        if action_source == "app":
            payload["app_data"] = self._app_data(c)
        return payload

    def _limited_data_use(self) -> dict[str, JSON]:
        settings = self.settings
        return {
            "data_processing_options": ["LDU"],
            "data_processing_options_country": settings.data_processing_options_country,
            "data_processing_options_state": settings.data_processing_options_state,
        }

    def _user_data(self, c: Conversion, user: dict[str, JSON], action_source: str) -> dict[str, JSON]:
        if action_source in ("app", "physical_store") and (madid := _madid(c)):
            user["madid"] = madid
        if c.lead_id and (lead_id := _lead_id(c.lead_id)):
            user["lead_id"] = lead_id
        if c.properties:
            if action_source == "app" and (anon_id := as_text(c.properties.get("anon_id"))):
                user["anon_id"] = anon_id
            user |= prune(_from_properties(c, USER_PROPERTIES))
        if len(user) <= MOST_TOO_LITTLE and any(user.keys() <= too_little for too_little in TOO_LITTLE):
            raise Skip("no_match_key", f"needed: {self.match_rules[c.event_source]}")
        return user

    def _match_keys_of_columns(self) -> dict[str, MadeOfColumn]:
        """How what of ``user_data`` is made of columns is made of all values of each, in its order."""
        return {
            "em": lambda emails, *_: hashes.of_emails(emails),
            "ph": self._phones,
            "fn": lambda names, *_: [*map(hashes.of_name, names)],
            "ln": lambda names, *_: [*map(hashes.of_name, names)],
            "ge": lambda genders, *_: [*map(hashes.of_gender, genders)],
            "db": lambda dates, of, _: [*map(hashes.of_birth, dates, map(_year, of))],
            "ct": lambda cities, *_: [*map(hashes.of_city, cities)],
            "st": lambda states, of, _: [*map(hashes.of_state, states, _countries(of))],
            "zp": lambda codes, of, _: [*map(hashes.of_postal_code, codes, _countries(of))],
            "country": lambda countries, *_: [*map(hashes.of_country, countries)],
            "external_id": self._external_ids,
            "client_ip_address": lambda addresses, *_: hashes.ip_addresses(addresses),
            "client_user_agent": lambda user_agents, *_: user_agents,
            "fbc": self._fbcs,
            "fbp": lambda fbps, _, happened: cookies.all_usable(fbps, happened),
        }

    def _of_columns(self, conversions: Sequence[Conversion], happened: Sequence[float]) -> list[dict[str, JSON]]:
        *read, ids = zip(*map(_columns, conversions), strict=True)
        given: list[Sequence[Any]] = [*read, [*map(self.click_id, conversions)], [each.get("fbp") for each in ids]]
        columns: dict[str, Sequence[JSON]] = {}
        for (name, make), values in zip(self._made.items(), given, strict=True):
            if all(values):
                columns[name] = make(values, conversions, happened)
            elif any(values):
                those = [*compress(conversions, values)], [*compress(happened, values)]
                rest = iter(make((*filter(None, values),), *those))
                columns[name] = [value and next(rest) for value in values]
        names = dict.fromkeys(columns)
        people: list[dict[str, JSON]] = [names.copy() for _ in conversions]  # that grow no more: half the time
        for name, made in columns.items():
            for person, value in zip(people, made, strict=True):
                if value:
                    person[name] = value
                else:
                    del person[name]
        return people

    def _phones(self, numbers: Sequence[Sequence[str]], of: Sequence[Conversion], _: Any) -> Sequence[list[str]]:
        return hashes.of_usual(numbers, hashes.USUAL_PHONES, without="+") or [
            hashes.of_distinct(c.phone, phones.digits, self.settings.country_codes(c.country)) for c in of
        ]

    def _external_ids(self, ids: Sequence[Sequence[str]], *_: Any) -> Sequence[list[str]]:
        if self.settings.hash_external_id:
            return hashes.of_usual(ids, hashes.USUAL_IDS) or hashes.of_each(ids, hashes.external_id)
        return [[*dict.fromkeys((keys.digest_of(raw) or raw[:64]) + raw[64:] for raw in raws)] for raws in ids]

    def _fbcs(
        self, click_ids: Sequence[str], conversions: Sequence[Conversion], happened: Sequence[float]
    ) -> Sequence[str | None]:
        created = self._times_of(click_ids) or [*map(cookies.created_at, click_ids)]
        if cookies.NONE not in created and [*click_ids] == [c.ids.get("fbc") for c in conversions]:
            return cookies.not_ahead(click_ids, created, happened, cookies.MAX_AGE)
        return [*map(self._fbc, conversions)]

    def _fbc(self, c: Conversion) -> str | None:
        """``fb.1.<milliseconds of the click>.<fbclid>``, or the cookie of that name where it is of the same click.

        Never now, and never after the event: a click's time that is not known is the event's.
        """
        fbclid = super().click_id(c)
        if fbclid is None:  # nor is there a cookie that can be used: it would be the click id
            return None
        happened = _milliseconds(c)
        cookie = self._of_click(c, fbclid, happened)
        return None if cookie is None or cookies.is_old(cookie, happened) else cookie

    def _of_click(self, c: Conversion, fbclid: str, happened: float) -> str | None:
        as_cookie, fbc = cookies.usable(fbclid, happened), c.ids.get("fbc")
        if as_cookie and fbclid == fbc:
            return as_cookie
        cookie = cookies.usable(fbc, happened)
        if as_cookie:
            return as_cookie if cookie is None or cookies.created_at(as_cookie) > cookies.created_at(cookie) else cookie
        if not cookies.is_click_id(fbclid):
            return cookie
        clicked = int(min(c.click_time or c.event_time, c.event_time).timestamp() * 1000)
        if cookie:
            of_cookie = cookie.split(".", 4)[3]
            if of_cookie == fbclid.partition(".")[0] or (c.click_time and cookies.created_at(cookie) > clicked):
                return cookie
        return f"fb.1.{clicked}.{fbclid}"

    def _custom_data(self, c: Conversion, action_source: str) -> dict[str, JSON]:
        crm = c.event_source == "crm"
        data: dict[str, JSON] = {"lead_event_source": self.settings.lead_event_source} if crm else {}
        sold: Mapping[str, JSON] = {}
        if c.properties:
            data |= _custom_properties(c, action_source)
            data |= _from_properties(c, CUSTOM_PROPERTIES)
            sold = _from_properties(c, CONTENT_PROPERTIES)
        if data:
            data = prune(data)
        if c.currency:
            data["currency"] = c.currency
        if c.value is not None:
            data["value"] = c.value
        if c.order_id:
            data["order_id"] = c.order_id
        items: list[Item] = []
        if c.contents or sold:
            items = [item for item in c.contents if item.id]
            if content_ids := [item.id for item in items] or sold.get("content_ids"):
                if content_type := _content_type(c):
                    data["content_type"] = content_type
                data["content_ids"] = content_ids
            only = c.contents[0] if len(c.contents) == 1 else NO_ITEM
            if content_name := only.name or sold.get("content_name"):
                data["content_name"] = content_name
            if content_category := only.category or sold.get("content_category"):
                data["content_category"] = content_category
        if c.num_items is not None:
            data["num_items"] = c.num_items
        if c.search_query:
            data["search_string"] = c.search_query
        if c.description:
            data["description"] = c.description
        if items:
            data["contents"] = [_content(item) for item in items]
        if crm:
            data["event_source"] = "crm"
        return data

    def _app_data(self, c: Conversion) -> dict[str, JSON]:
        version = mobile.version(c)
        if version is None:
            raise Skip("unsupported", "an app event needs platform: ios or android")
        tracking = c.properties.get("application_tracking_enabled", self.settings.app_tracking_default)
        return prune(
            {
                "advertiser_tracking_enabled": int(mobile.tracking_allowed(c, version)),
                "application_tracking_enabled": int(tracking in (1, "1", "true")),
                "vendor_id": c.idfv,
                "extinfo": mobile.extinfo(c, version, c.app_id),
                **_from_properties(c, APP_PROPERTIES),
            }
        )

    def note(self, payload: Mapping[str, JSON]) -> str:
        missing, action_source, user = [], payload["action_source"], payload["user_data"]
        if action_source == "website":
            if "client_user_agent" not in user:
                missing.append("user_agent")
            if "event_source_url" not in payload:
                missing.append("event_source_url")
        elif action_source == "app" and not payload["app_data"]["extinfo"][4]:
            missing.append("os_version")
        if payload.get("data_processing_options_country") == 0 and "client_ip_address" not in user:
            missing.append("ip_address")  # limited data use applies where the person is: Meta finds out by it
        return f"sent without {' and '.join(missing)}, which Meta wants" if missing else ""

    def phone(self, raw: str, country_codes: tuple[str, ...]) -> str | None:
        return phones.digits(raw, country_codes)

    def unusable(self, conversion: Conversion, sent: Collection[str]) -> Iterable[str]:
        c = conversion
        said = [*super().unusable(c, sent)]
        fbc = c.ids.get("fbc")
        is_sent = fbc and "fbc" in sent and self.click_id(c) == fbc and cookies.created_at(fbc) != cookies.NONE
        if fbc and not is_sent:
            happened = _milliseconds(c)
            if problem := cookies.problem(fbc, happened, oldest=happened - cookies.MAX_AGE):
                said.append(f"fbc: {problem}")
        if "fbp" not in sent and (fbp := c.ids.get("fbp")) and (problem := cookies.problem(fbp, _milliseconds(c))):
            said.append(f"fbp: {problem}")
        if "fbc" not in sent and not fbc and (clicked := super().click_id(c)):
            clicked_long_ago = cookies.is_click_id(clicked) or not cookies.problem(clicked, _milliseconds(c))
            said.append(
                f"fbclid: {'clicked more than 90 days before the event' if clicked_long_ago else 'not a click id'}"
            )
        if c.lead_id and "lead_id" not in sent:
            said.append("lead_id: not digits alone")
        if (content_type := _given_content_type(c)) and content_type not in CONTENT_TYPES:
            said.append("content_type: not one that Meta documents")
        return said

    def uses_all(self, conversions: Sequence[Conversion], sent: Collection[str]) -> bool:
        if any(c.lead_id or c.content_type or c.properties for c in conversions):
            return False
        return self.uses_columns(conversions, sent) and self._uses_cookies(conversions, sent)

    def _uses_cookies(self, conversions: Sequence[Conversion], sent: Collection[str]) -> bool:
        fbcs = [c.ids.get("fbc", "") for c in conversions]
        if "fbp" not in sent and any(c.ids.get("fbp") for c in conversions):
            return False
        if "fbc" not in sent:
            return not any(fbcs) and not any(map(self.click_id, conversions))
        # What is sent of a conversion is its cookie, if that is its click id and is one of Meta's.
        return fbcs == [*map(self.click_id, conversions)] and self._times_of(fbcs) is not None

    def match_keys(self, payload: Mapping[str, JSON]) -> Iterable[str]:
        return _without_agent(tuple(payload["user_data"]))

    def request(self, envelope: Mapping[str, JSON], payloads: Sequence[JSON]) -> Request:
        settings = self.settings
        # A JSON body holds events as objects; form fields, which Meta's own libraries send, would hold them as text.
        constant = {"partner_agent": settings.partner_agent, "appsecret_proof": self._appsecret_proof()}
        return Request(
            url=self.url(URL.format(api_version=settings.api_version, pixel_id=quote(settings.pixel_id, safe=""))),
            headers={
                "Authorization": f"Bearer {settings.access_token}",
                "Content-Type": "application/json",
                "Accept": "application/json",
            },
            body={"data": payloads, **envelope, **prune(constant)},
        )

    def _appsecret_proof(self) -> str | None:
        secret = self.settings.app_secret
        return hmac.new(secret.encode(), self.settings.access_token.encode(), "sha256").hexdigest() if secret else None

    def check(self) -> Flow[Outcome]:
        """Reads the data set. A token that may only write can't: but for a dead one, a refusal proves nothing."""
        settings = self.settings
        response = yield Request(
            url=self.url(
                DATA_SET_URL.format(api_version=settings.api_version, pixel_id=quote(settings.pixel_id, safe=""))
            ),
            method="GET",
            query=prune({"fields": "id,name", "appsecret_proof": self._appsecret_proof()}),
            headers={"Authorization": f"Bearer {settings.access_token}", "Accept": "application/json"},
        )
        judged = (
            self._judged(response) if response.status != 200 or _error(response.body) else Outcome(Verdict.ACCEPTED)
        )
        is_proof = judged.verdict is Verdict.ACCEPTED or judged.code.partition("/")[0] in DEAD_TOKENS
        return judged if is_proof else judged._replace(verdict=Verdict.TRANSIENT)

    def error(self, body: Any) -> tuple[str, str]:
        """``('100/2804003', 'Invalid parameter: Event Timestamp Too Old')``: code and subcode, and what is told."""
        error = _error(body)
        code, subcode = error.get("code"), error.get("error_subcode")
        texts = (error.get("message"), error.get("error_user_title"), error.get("error_user_msg"))
        text = ": ".join(str(part) for part in texts if isinstance(part, str) and part)
        if code is None:
            return "", text or (body if isinstance(body, str) else "")
        return str(code)[:20] + (f"/{str(subcode)[:20]}" if subcode else ""), text

    def request_id(self, response: Response) -> str:
        body = response.body if isinstance(response.body, Mapping) else {}
        return str(_error(body).get("fbtrace_id") or body.get("fbtrace_id") or "")

    def retry_after(self, response: Response) -> str:
        minutes = max(
            (each.estimated_time_to_regain_access for each in rate_limits.usages(response.headers)), default=0
        )
        return response.headers.get("retry-after") or (str(int(min(minutes, 1e6) * 60)) if minutes > 0 else "")

    def warning(self, response: Response) -> str:
        used_up = any(each.percent >= rate_limits.NEARLY_USED_UP for each in rate_limits.usages(response.headers))
        warnings = [response.headers.get("x-ad-api-version-warning", "")]
        if used_up:
            headers = ", ".join(rate_limits.HEADERS)
            warnings.append(f"{rate_limits.NEARLY_USED_UP} % or more of a rate limit is used ({headers})")
        return " ".join(filter(None, warnings))

    def outcomes(self, response: Response, count: int) -> list[Outcome]:
        body = response.body
        if not 200 <= response.status < 300 or not isinstance(body, Mapping) or "error" in body:
            return [self._judged(response)] * count
        received = body.get("events_received")
        messages = body.get("messages")
        message = "; ".join(str(warning) for warning in messages) if isinstance(messages, list) else ""
        if type(received) is int and received >= count:
            return [Outcome(Verdict.ACCEPTED, "", message)] * count
        # Some of them were taken, and nobody says which: not sent again by itself.
        return [Outcome(Verdict.REJECTED, "", message, reason="unconfirmed")] * count

    def _judged(self, response: Response) -> Outcome:
        # The error's code says it; its HTTP status is often another one's: throttling comes as 400, 403 or 500.
        code, message = self.error(response.body)
        error = _error(response.body)
        verdict = self._listed(error) or by_status(response.status)
        if verdict is Verdict.ACCEPTED or (verdict is Verdict.REJECTED and response.status != 413):
            verdict = Verdict.REJECTED if error else Verdict.TRANSIENT  # not Meta's words: nobody has judged the events
        return Outcome(verdict, code, message, shared=True)

    def _listed(self, error: Mapping[str, Any]) -> Verdict | None:
        """What code, subcode and ``is_transient`` mean; None where the HTTP status has to say it."""
        code = error.get("code")
        if code == 100 and "appsecret_proof" in str(error.get("message")):
            return Verdict.CREDENTIALS
        listed = None
        if type(code) is int:
            listed = self.codes.get(f"{code}/{error.get('error_subcode')}") or self.codes.get(str(code))
        return listed or (Verdict.TRANSIENT if error.get("is_transient") is True else None)


def _fits(pattern: str, text: str) -> bool:
    return re.fullmatch(pattern, text, re.ASCII) is not None


@lru_cache(maxsize=1_000)  # most people of a run are known by the same
def _without_agent(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if name != "client_user_agent")


_year = attrgetter("event_time.year")
_event_time = attrgetter("event_time")


def _countries(conversions: Sequence[Conversion]) -> Iterable[str | None]:
    countries = [c.country for c in conversions]
    unhashed = {country: keys.unhashed(country) for country in {*countries}}
    return map(unhashed.get, countries)


def _milliseconds(c: Conversion) -> float:
    return c.event_time.timestamp() * 1000


def _madid(c: Conversion) -> str | None:
    version = mobile.version(c)
    asked = version == mobile.IOS or (version is None and c.att_status is not None)
    if asked and not mobile.tracking_allowed(c, mobile.IOS):
        return None
    return mobile.advertising_id(c, version)


def _lead_id(raw: str | None) -> int | None:
    return (int(raw) or None) if raw and raw.isascii() and raw.isdecimal() and len(raw) < 19 else None


def _from_properties(c: Conversion, kinds: Mapping[str, Callable[[JSON], JSON]]) -> dict[str, JSON]:
    return {name: kind(c.properties[name]) for name, kind in kinds.items() if name in c.properties}


def _custom_properties(c: Conversion, action_source: str) -> dict[str, JSON]:
    """Texts, numbers, flags and lists of these; nothing personal, and no shadow of a field of Meta's."""
    return {
        name: value
        for name, value in passed_on(
            c.properties, NO_CUSTOM_DATA_OF_APPS if action_source == "app" else NO_CUSTOM_DATA
        ).items()
        if not isinstance(value, dict)
        and not (isinstance(value, list) and any(isinstance(member, (dict, list)) for member in value))
    }


def _given_content_type(c: Conversion) -> str:
    if not (c.content_type or c.properties):
        return ""
    return (c.content_type or as_text(c.properties.get("content_type")) or "").lower()


def _content_type(c: Conversion) -> str | None:
    """``product`` where neither the record nor a list of ids of its own says what is sold."""
    if given := _given_content_type(c):
        return given if given in CONTENT_TYPES else None
    return "product" if any(item.id for item in c.contents) else None


def _content(item: Item) -> dict[str, JSON]:
    content: dict[str, JSON] = {"id": item.id}
    if item.quantity is not None:
        content["quantity"] = item.quantity
    if item.price is not None:
        content["item_price"] = item.price
    if item.name:
        content["title"] = item.name
    if item.category:
        content["category"] = item.category
    if item.brand:
        content["brand"] = item.brand
    if item.delivery_category:
        content["delivery_category"] = item.delivery_category
    return content


def _error(body: Any) -> Mapping[str, Any]:
    error = body.get("error") if isinstance(body, Mapping) else None
    return error if isinstance(error, Mapping) else {}


NETWORK = Meta
