"""TikTok Events API v1.3. https://business-api.tiktok.com/portal/docs?id=1771101303285761"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, ClassVar
from urllib.parse import urlencode

from target_adpostbacks.core import match_keys as keys
from target_adpostbacks.core import mobile, phones, places
from target_adpostbacks.core.answers import JSON, Outcome, Request, Response, Skip, Verdict, by_status
from target_adpostbacks.core.connection import App, Choice, Connection, NotConnected, Steps
from target_adpostbacks.core.conversion import Conversion, Item
from target_adpostbacks.core.learning import Milestone
from target_adpostbacks.core.network import Limits, Network
from target_adpostbacks.core.payloads import as_number, as_text, as_texts, item_count, one_or_many, prune
from target_adpostbacks.core.properties import passed_on
from target_adpostbacks.core.settings import PhoneSettings, doc
from target_adpostbacks.core.urls import at_base

API = "https://business-api.tiktok.com/open_api/v1.3/"
URL = API + "event/track/"
PIXELS_A_PAGE, MOST_PAGES = 20, 50

WEB = frozenset(
    "AddPaymentInfo AddToCart AddToWishlist ApplicationApproval CompleteRegistration Contact CustomizeProduct Download "
    "FindLocation InitiateCheckout Lead Purchase Schedule Search StartTrial SubmitApplication Subscribe "
    "ViewContent".split()
)
LEGACY = frozenset({"CompletePayment", "SubmitForm", "PlaceAnOrder", "ClickButton"})  # converted on TikTok's side
APP = frozenset(
    "AchieveLevel AddPaymentInfo AddToCart AddToWishlist Checkout CompleteTutorial CreateGroup CreateRole GenerateLead "
    "InAppADClick InAppADImpr InstallApp JoinGroup LaunchAPP LoanApplication LoanApproval LoanDisbursal Login Purchase "
    "Rate Registration Search SpendCredits StartTrial Subscribe UnlockAchievement ViewContent "
    "ImpressionLevelAdRevenue".split()
)

APP_EVENTS = {
    "game_launch": "LaunchAPP",
    "install": "InstallApp",
    "session_start": "LaunchAPP",
    "sign_up": "Registration",
    "email_acquired": "Registration",
    "lead": "GenerateLead",
    "begin_checkout": "Checkout",
    "contact": "contact",
    "download": "download",
    "schedule": "schedule",
    "submit_application": "submit_application",
    "level_achieved": "AchieveLevel",
    "tutorial_complete": "CompleteTutorial",
    "ad_click": "InAppADClick",
    "ad_impression": "InAppADImpr",
    "page_view": "page_view",
}

MATCH_KEYS = {
    "web": {"ttclid", "ttp", "email", "phone", "external_id"},
    "app": {"idfa", "gaid", "idfv", "email", "phone"},
    "offline": {"email", "phone"},
}
ATT_STATUSES = frozenset({"AUTHORIZED", "DENIED", "NOT_DETERMINED", "RESTRICTED", "NOT_APPLICABLE"})
CONTENT_TYPES = frozenset("product product_group hotel flight destination vehicle home_listing".split())
AD_FIELDS = (
    "callback campaign_id ad_id creative_id is_retargeting attributed attribution_type attribution_provider "
    "attribution_share"
).split()

_CUSTOM = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,49}").fullmatch
_INDEX = re.compile(r"(?:\bdata[.\[]|\bBatch\.|\bindex )(\d{1,9})\b")


class TikTokSettings(PhoneSettings, frozen=True, kw_only=True):
    access_token: Annotated[
        str,
        doc(
            "Token of the Events API. An admin or operator of the account creates it, and sees it only once.",
            where="Events Manager > the pixel > Settings > Events API > Generate access token",
            example="example-access-token",
            secret=True,
        ),
    ]
    pixel_code: Annotated[
        str | None,
        doc(
            "For web events: the pixel's code, 20 or 21 capitals and digits; not its numeric id.",
            where="Events Manager, beside the pixel's name",
            example="D7VH38JC77U3LFDOLGRG",
        ),
    ] = None
    tiktok_app_id: Annotated[
        str | None,
        doc(
            "For app events: 19 digits. TikTok has to enable app events first.",
            where="Events Manager > App events",
            example="7012345678901234567",
        ),
    ] = None
    offline_event_set_id: Annotated[
        str | None, doc("For offline events: 19 digits.", where="Events Manager > Offline, under the set's name")
    ] = None
    crm_event_set_id: Annotated[
        str | None, doc("For CRM events: 19 digits.", where="Events Manager > CRM, top left")
    ] = None
    test_event_code: Annotated[
        str | None,
        doc(
            "For records with `test: true`.",
            where="Events Manager > the pixel > Test events",
            example="TEST04030",
        ),
    ] = None
    default_page_url: Annotated[str | None, doc("`page.url` of web events whose record has none.")] = None
    app_id: Annotated[str | None, doc("App Store number or Android package, for app events whose record has none.")] = (
        None
    )
    partner_name: Annotated[str | None, doc("Short platform name, as agreed with TikTok.")] = None
    lead_event_source: Annotated[str | None, doc("The CRM's name, for CRM events: `Salesforce`.")] = None
    hash_device_ids: Annotated[bool, doc("Send idfa and gaid hashed. TikTok accepts both.")] = False

    def problems(self) -> Iterable[str]:
        yield from super().problems()
        code = self.pixel_code or ""
        if re.search(r"[\sa-z]", code):
            yield "pixel_code: looks like the pixel's name; take the code beside it in Events Manager, all capitals"
        elif code.isdecimal():
            yield "pixel_code: looks like the numeric pixel id; take the code in Events Manager, capitals and digits"
        for field in ("tiktok_app_id", "offline_event_set_id", "crm_event_set_id"):
            value = getattr(self, field)
            if value and not (value.isascii() and value.isdecimal()):
                yield f"{field}: digits only"
        if self.default_page_url and not re.match(r"https?://[^/\s]+", self.default_page_url):
            yield "default_page_url: an absolute http or https URL expected"
        if not (code or self.tiktok_app_id or self.offline_event_set_id or self.crm_event_set_id):
            yield "pixel_code: missing; set it, or tiktok_app_id, offline_event_set_id or crm_event_set_id"

    def hints(self) -> Iterable[str]:
        if self.pixel_code and not re.fullmatch(r"[A-Z0-9]{20,21}", self.pixel_code):
            yield "pixel_code: not 20 or 21 capitals and digits; was it copied whole?"
        if self.test_event_code and not re.fullmatch(r"TEST\d+", self.test_event_code):
            yield "test_event_code: not TEST and digits; was it copied whole?"


class TikTokConnection(Connection):
    """OAuth for advertisers. Its names are not quite those of RFC 6749: ``app_id``, ``secret``, ``auth_code``."""

    choices = ("advertiser", "pixel")
    codes = ("auth_code", "code")
    registered = "TikTok for Business developers > My apps > the app > Advertiser redirect URL"

    def authorization_url(self, app: App) -> str:
        query = {"app_id": app.app_id, "state": app.state, "redirect_uri": app.redirect_uri}
        return f"https://business-api.tiktok.com/portal/auth?{urlencode(query)}"

    def steps(self, app: App, code: str, base_url: str | None) -> Steps:
        credentials = {"app_id": app.app_id, "secret": app.secret}
        response = yield Request(
            url=at_base(base_url, API + "oauth2/access_token/"),
            headers={"Content-Type": "application/json"},
            body={**credentials, "auth_code": code},
        )
        token = str(_data(response).get("access_token") or "")
        if not token:
            raise NotConnected("TikTok's answer has no access_token")
        headers = {"Access-Token": token}
        response = yield Request(
            url=at_base(base_url, API + "oauth2/advertiser/get/"), method="GET", query=credentials, headers=headers
        )
        listed = _members(_data(response), "list")
        names = {str(each.get("advertiser_id")): str(each.get("advertiser_name")) for each in listed}
        advertiser = yield Choice("advertiser", names)
        pixels: dict[str, str] = {}
        page = pages = 1
        while page <= min(pages, MOST_PAGES):
            response = yield Request(
                url=at_base(base_url, API + "pixel/list/"),
                method="GET",
                query={"advertiser_id": str(advertiser), "page": str(page), "page_size": str(PIXELS_A_PAGE)},
                headers=headers,
            )
            data = _data(response)
            pixels |= {str(each.get("pixel_code")): str(each.get("pixel_name")) for each in _members(data, "pixels")}
            info = data.get("page_info")
            pages = int(as_number(info.get("total_page")) or 1) if isinstance(info, Mapping) else 1
            page += 1
        pixel = yield Choice("pixel", pixels)
        return {"access_token": token, "pixel_code": str(pixel)}


def _data(response: Response | str) -> Mapping[str, Any]:
    """What an answer of OAuth holds; raises NotConnected with the words of one that is an error."""
    body = response.body if isinstance(response, Response) else None
    if not isinstance(body, Mapping) or body.get("code") != 0 or not isinstance(body.get("data"), Mapping):
        words = (
            f"{body.get('code')}: {body.get('message')}" if isinstance(body, Mapping) else "an answer that is no JSON"
        )
        advice = TikTok.advice.get(str(body.get("code")), "") if isinstance(body, Mapping) else ""
        raise NotConnected(f"{words}{'. ' * bool(advice)}{advice}")
    data: Mapping[str, Any] = body["data"]
    return data


def _members(data: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    members = data.get(name)
    return [each for each in members if isinstance(each, Mapping)] if isinstance(members, list) else []


class TikTok(Network[TikTokSettings]):
    name = "tiktok"
    title = "TikTok"
    aliases = ("tiktok ads", "tiktok_ads", "tik tok", "tiktok for business", "bytedance", "tt")
    docs = "https://business-api.tiktok.com/portal/docs?id=1771101303285761"
    settings_type = TikTokSettings
    events: ClassVar[Mapping[str, str | None]] = {
        "purchase": "Purchase",
        "game_launch": "CompleteRegistration",
        "install": "Download",
        "session_start": "ViewContent",
        "sign_up": "CompleteRegistration",
        "lead": "Lead",
        "email_acquired": "CompleteRegistration",
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
        "download": "Download",
        "schedule": "Schedule",
        "submit_application": "SubmitApplication",
        "level_achieved": "level_achieved",
        "tutorial_complete": "tutorial_complete",
        "ad_click": "ad_click",
        "ad_impression": "ad_impression",
        "page_view": "Pageview",
    }
    links: ClassVar[Mapping[str, str]] = {
        "campaign_name": "__CAMPAIGN_NAME__",
        "campaign_id": "__CAMPAIGN_ID__",
        "ad_group_id": "__AID__",  # what TikTok calls AID is the ad group, and CID the ad
        "ad_id": "__CID__",
        "placement": "__PLACEMENT__",
    }
    link_field = "ad > Website URL, and not again under Tracking"
    own_parameters: ClassVar[Mapping[str, str]] = {"aid": "ad_group_id", "cid": "ad_id"}
    click_ids = ("ttclid",)
    click_id_example = "E.C.P.abc"
    click_id_form = r"E[._]C[._]P[._]"
    ids = ("ttclid", "ttp")
    standard_events = WEB | LEGACY
    assets: ClassVar[Mapping[str, str]] = {
        "web": "pixel_code",
        "app": "tiktok_app_id",
        "offline": "offline_event_set_id",
        "crm": "crm_event_set_id",
    }
    match_rules: ClassVar[Mapping[str, str]] = {
        "web": "ttclid, ttp, email, phone, external_id, or ip_address with user_agent",
        "app": "idfa, gaid, idfv, email, phone, properties.ad.callback, or ip_address with user_agent",
        "offline": "email or phone",
        "crm": "lead_id",
    }
    match_columns: ClassVar[Mapping[str, str]] = {"email": "email", "phone": "phone", "ip_address": "ip"}
    match_properties = ("ad.callback",)
    test_setting = "test_event_code"
    connection = TikTokConnection()
    request_limits = Limits(events=1000)
    max_age = timedelta(days=28)
    max_ahead = timedelta(minutes=10)
    dedup_window = timedelta(hours=48)
    counts_within = "7 days of a click, 1 of a view; at most 28 and 7"
    milestones = (
        Milestone(20, 7, "value-based bidding", frozenset({"Purchase", "CompletePayment"})),
        Milestone(50, 7, "the end of the learning phase"),
    )
    currencies = frozenset(
        "AED ARS AUD BDT BGN BHD BIF BOB BRL CAD CHF CLP CNY COP CRC CZK DKK DZD EGP EUR GBP GTQ HKD HNL HUF IDR ILS "
        "INR IQD ISK JOD JPY KES KHR KRW KWD KZT LBP MAD MOP MXN MYR NGN NIO NOK NZD OMR PEN PHP PKR PLN PYG QAR RON "
        "RUB SAR SEK SGD THB TRY TWD TZS UAH USD VES VND ZAR".split()
    )
    codes: ClassVar[Mapping[str, Verdict]] = {
        "0": Verdict.ACCEPTED,
        **dict.fromkeys(
            "20001 40000 40002 40006 40007 40008 40009 40010 40011 40012 40013 40014 40050 40051 40061 40062 40063 "
            "40400 41001 41002".split(),
            Verdict.REJECTED,
        ),
        **dict.fromkeys(("40016", "40100", "40132", "61000"), Verdict.THROTTLED),
        **dict.fromkeys(("40200", "40201", "40202", "40700"), Verdict.TRANSIENT),
        **dict.fromkeys(
            "40001 40003 40101 40102 40103 40104 40105 40106 40107 40108 40109 40110 40112 40113 40114 40115 40116 "
            "40117 40118 40119 40120 40124 40125 40130 40131 40300 40301 40309 41000 70001".split(),
            Verdict.CREDENTIALS,
        ),
    }
    advice: ClassVar[Mapping[str, str]] = {
        "20001": "Compare with Events Manager: TikTok took a part of the request and does not say which.",
        "40001": "Generate the token in Events Manager for this very pixel, as an admin or operator of the ad account. "
        "pixel_code is the code beside the pixel's name, not the name and not the numeric id.",
        "40002": "Correct the field that the message names, or leave its column out.",
        "40051": "Update target-adpostbacks: TikTok no longer serves this version of its API.",
        "40062": "Look in properties for personal data that is not hashed, and leave it out.",
        "40063": "Correct partner_name, or leave it out.",
        "40100": "Lower requests_per_second; the next run sends what is open.",
        "40101": "Compare the app's id and secret with those of the app at TikTok for Business developers.",
        "40102": "Generate a new access_token: this one has expired.",
        "40104": "Set access_token.",
        "40105": "Generate a new access_token: this one was cut when it was copied, or was revoked.",
        "40110": "Connect once more: the code was used, or is too old.",
        "40113": "Ask TikTok's support: the token's app may not use the Events API.",
        "40118": "Ask TikTok to allow the account this kind of event.",
        "40300": "Compare the token's account with the pixel's in Events Manager.",
        "40301": "Give the token's user the role of an admin or operator.",
        "40309": "Log in to TikTok Ads Manager, then generate a new access_token.",
        "41000": "Ask TikTok's support: the account is blocked.",
    }

    def limits_data_use(self, conversion: Conversion) -> bool:
        return conversion.event_source in ("web", "app")

    def native_events(self, conversion: Conversion) -> frozenset[str]:
        return APP if conversion.event_source == "app" else self.standard_events

    def canonical_events(self, conversion: Conversion) -> Mapping[str, str | None]:
        return {**self.events, **APP_EVENTS} if conversion.event_source == "app" else self.events

    def custom_event(self, name: str, conversion: Conversion) -> str:
        if conversion.event_source == "offline":
            raise Skip("unsupported", "TikTok takes standard events only from offline sources; map it with event_map")
        if not _CUSTOM(name):
            raise Skip("unsupported", "a custom event's name is a letter, then up to 49 letters, digits, _ or -")
        return name

    def envelope(self, conversion: Conversion) -> dict[str, JSON]:
        return prune(
            {
                "event_source": conversion.event_source,
                "event_source_id": self.asset(conversion),
                "test_event_code": self.test_code(conversion),
                "partner_name": self.settings.partner_name,
            }
        )

    def payload(self, conversion: Conversion) -> JSON:
        c = conversion
        payload: dict[str, JSON] = {
            "event": self.event(c),
            "event_time": int(c.event_time.timestamp()),
            "event_id": c.event_id,
        }
        if user := self._user(c):
            payload["user"] = user
        if c.event_source == "web":
            if page := self._page(c):
                payload["page"] = page
        elif c.event_source == "app":
            payload["app"] = self._app(c)
            if ad := _ad(c):
                payload["ad"] = ad
        elif c.event_source == "crm":
            payload["lead"] = self._lead(c)
        if properties := _properties(c):
            payload["properties"] = properties
        if (c.limited_data_use or c.opt_out) and self.limits_data_use(c):
            payload["limited_data_use"] = True
        return payload

    def _user(self, c: Conversion) -> dict[str, JSON]:
        web, app, crm = c.event_source == "web", c.event_source == "app", c.event_source == "crm"
        user: dict[str, JSON] = {}
        if c.email and (hashes := keys.each_hashed(c.email, keys.email)):
            user["email"] = one_or_many(hashes)
        if c.phone and (hashes := keys.each_hashed(c.phone, phones.e164, self.settings.country_codes(c.country))):
            user["phone"] = one_or_many(hashes)
        if c.external_id and (web or crm) and (hashes := keys.each_hashed(c.external_id, keys.trimmed)):
            user["external_id"] = one_or_many(hashes)
        if web or app:
            if c.ip_address and (address := keys.public_ip(c.ip_address)):
                user["ip"] = address
            if c.user_agent:
                user["user_agent"] = c.user_agent
            if c.language:
                user["locale"] = c.language.replace("_", "-")
        if web:
            self._add_person(user, c)
        if app:
            user |= prune(self._device(c))
        if not _matches(c, user):
            raise Skip("no_match_key", f"needed: {self.match_rules[c.event_source]}")
        return user

    def _add_person(self, user: dict[str, JSON], c: Conversion) -> None:
        if ttclid := self._ttclid(c):
            user["ttclid"] = ttclid
        if ttp := c.ids.get("ttp"):
            user["ttp"] = ttp
        if c.first_name and (digest := places.name_hash(c.first_name)):
            user["first_name"] = digest
        if c.last_name and (digest := places.name_hash(c.last_name)):
            user["last_name"] = digest
        if c.city and (city := places.place(c.city)):
            user["city"] = city
        country = keys.unhashed(c.country)
        if c.state and (state := places.place(places.bare_state(c.state, country))):
            user["state"] = state
        if c.postal_code and (digest := places.postal_code_hash(c.postal_code, country)):
            user["zip_code"] = digest
        if country:
            user["country"] = country.lower()

    def _ttclid(self, c: Conversion) -> str | None:
        ttclid = self.click_id(c)
        return ttclid if ttclid and len(ttclid) <= 1000 else None  # a shortened one matches nothing

    def _device(self, c: Conversion) -> dict[str, JSON]:
        idfa, gaid = mobile.idfa(c), mobile.gaid(c)
        att_status = (c.att_status or "").upper()
        return {
            "idfa": idfa and self._device_id(idfa, keys.idfa),
            "gaid": gaid and self._device_id(gaid, keys.gaid),
            "idfv": c.idfv if c.platform == "ios" else None,
            "att_status": att_status if att_status in ATT_STATUSES else None,
        }

    def _device_id(self, raw: str, normalize: Any) -> str | None:
        if digest := keys.digest_of(raw):
            return digest
        normalized: str | None = normalize(raw)
        return keys.sha256(normalized) if self.settings.hash_device_ids else normalized

    def _page(self, c: Conversion) -> dict[str, JSON]:
        page: dict[str, JSON] = {}
        if url := c.event_source_url or self.settings.default_page_url:
            page["url"] = url
        if c.referrer_url:
            page["referrer"] = c.referrer_url
        return page

    def _app(self, c: Conversion) -> dict[str, JSON]:
        app_id = c.app_id or self.settings.app_id
        if not app_id:
            raise Skip("unsupported", "an app event needs app_id, in the record or the settings")
        return prune({"app_id": app_id, "app_name": c.app_name, "app_version": c.app_version})

    def _lead(self, c: Conversion) -> dict[str, JSON]:
        return prune({"lead_id": c.lead_id, "lead_event_source": self.settings.lead_event_source})

    def unusable(self, conversion: Conversion, sent: Collection[str]) -> Iterable[str]:
        c = conversion
        yield from super().unusable(c, sent)
        if c.event_source == "web" and "ttclid" not in sent and self.click_id(c):
            yield "ttclid: longer than 1,000 characters"
        if (content_type := _given_content_type(c)) and content_type not in CONTENT_TYPES:
            yield "content_type: not one that TikTok documents"

    def match_keys(self, payload: Mapping[str, JSON]) -> Iterable[str]:
        return [*payload.get("user", ())]

    def request(self, envelope: Mapping[str, JSON], payloads: Sequence[JSON]) -> Request:
        return Request(
            url=self.url(URL),
            headers={"Access-Token": self.settings.access_token, "Content-Type": "application/json"},
            body={**envelope, "data": payloads},
        )

    def error(self, body: Any) -> tuple[str, str]:
        if not isinstance(body, Mapping):
            return "", ""
        code = body.get("code")
        return "" if code is None else str(code), str(body.get("message") or "")

    def request_id(self, response: Response) -> str:
        return str(response.body.get("request_id") or "") if isinstance(response.body, Mapping) else ""

    def outcomes(self, response: Response, count: int) -> list[Outcome]:
        outcome = self._judged(response)
        if outcome.verdict is Verdict.REJECTED and not outcome.reason and count > 1:
            named = _INDEX.search(outcome.message)
            if named and int(named[1]) < count:
                # One bad event refuses its whole batch: the others are sent again.
                rest = outcome._replace(verdict=Verdict.TRANSIENT)
                return [outcome if index == int(named[1]) else rest for index in range(count)]
        return [outcome] * count

    def _judged(self, response: Response) -> Outcome:
        # TikTok answers HTTP 200 and puts the truth in `code`; from 500 up the status counts, whatever the body says.
        code, message = self.error(response.body)
        if response.status >= 500:
            return Outcome(Verdict.TRANSIENT, "", message, shared=True)
        if not code:
            ok = 200 <= response.status < 300
            verdict = Verdict.TRANSIENT if ok else by_status(response.status)
            return Outcome(verdict, "", message, shared=True)
        if code == "20001":  # partly accepted, and nobody says which: not sent again by itself
            return Outcome(Verdict.REJECTED, code, message, reason="unconfirmed")
        verdict = self.codes.get(code) or _unlisted(code)
        plain = verdict is Verdict.ACCEPTED and message == "OK"
        return Outcome(verdict, code, "" if plain else message, shared=True)


def _matches(c: Conversion, user: Mapping[str, JSON]) -> bool:
    if c.event_source == "crm":
        return c.lead_id is not None
    if not MATCH_KEYS[c.event_source].isdisjoint(user) or ("ip" in user and "user_agent" in user):
        return True
    return c.event_source == "app" and "callback" in _ad(c)


def _ad(c: Conversion) -> dict[str, JSON]:
    ad = c.properties.get("ad")
    return prune({field: ad.get(field) for field in AD_FIELDS}) if isinstance(ad, Mapping) else {}


OWN = "currency value content_type content_ids num_items search_string order_id description contents".split()
"""Members of ``properties`` that columns alone fill."""


def _properties(c: Conversion) -> dict[str, JSON]:
    own: dict[str, JSON] = {}
    if c.currency:
        own["currency"] = c.currency
    if c.value is not None:
        own["value"] = c.value
    if content_type := _content_type(c):
        own["content_type"] = content_type
    content_ids = [item.id for item in c.contents if item.id]
    if content_ids or (c.properties and (content_ids := as_texts(c.properties.get("content_ids")) or [])):
        own["content_ids"] = content_ids
    if (count := item_count(c)) is not None:
        own["num_items"] = count
    if c.search_query:
        own["search_string"] = c.search_query
    if c.order_id:
        own["order_id"] = c.order_id
    if c.description:
        own["description"] = c.description
    if c.contents:
        own["contents"] = [_content(item) for item in c.contents]
    return prune({**passed_on(c.properties, {"ad"}), **dict.fromkeys(OWN), **own}) if c.properties else own


def _given_content_type(c: Conversion) -> str:
    return (c.content_type or as_text(c.properties.get("content_type")) or "").lower()


def _content_type(c: Conversion) -> str | None:
    if given := _given_content_type(c):
        return given if given in CONTENT_TYPES else None
    return "product" if c.contents else None


def _content(item: Item) -> dict[str, JSON]:
    content: dict[str, JSON] = {}
    if item.id:
        content["content_id"] = item.id
    if item.name:
        content["content_name"] = item.name
    if item.category:
        content["content_category"] = item.category
    if item.brand:
        content["brand"] = item.brand
    if item.quantity is not None:
        content["quantity"] = item.quantity
    if item.price is not None:
        content["price"] = item.price
    return content


def _unlisted(code: str) -> Verdict:
    return Verdict.TRANSIENT if code.isdecimal() and int(code[:9]) >= 50000 else Verdict.REJECTED


NETWORK = TikTok
