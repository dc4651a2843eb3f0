"""LinkedIn Conversions API.

https://learn.microsoft.com/en-us/linkedin/marketing/integrations/ads-reporting/conversions-api
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

import msgspec

from target_adpostbacks.core import match_keys as keys
from target_adpostbacks.core import mobile
from target_adpostbacks.core.answers import JSON, Access, Outcome, Request, Response, Send, Skip
from target_adpostbacks.core.conversion import EVENT_SOURCES, Conversion
from target_adpostbacks.core.events import ByEvent, EventTable
from target_adpostbacks.core.network import Limits, Network
from target_adpostbacks.core.oauth import refreshed
from target_adpostbacks.core.payloads import as_text, decimal_text, prune
from target_adpostbacks.core.revenue import completed, paired
from target_adpostbacks.networks._linkedin import answers
from target_adpostbacks.networks._linkedin.settings import REFRESH, SHA256_IP, LinkedInSettings, rule_ids

URL = "https://api.linkedin.com/rest/conversionEvents"
TOKEN_URL = "https://www.linkedin.com/oauth/v2/accessToken"  # noqa: S105 - no secret
RULE, LEAD = "urn:lla:llaPartnerConversion:", "urn:li:leadGenFormResponse:"

MAX_EVENT_ID, MAX_NAME = 64, 35  # characters; from Salesforce's connector (unconfirmed)
PLAINTEXT_IP = GOOGLE_AID = LEAD_ALONE = "202605"  # the versions that brought them
NO_MORE_MOAT = "202609"  # dropped ORACLE_MOAT_ID (unconfirmed)
MATCH_RULE = "email, li_fat_id, ip_address, gaid, lead_id, external_id, or first_name with last_name"


class LinkedIn(Network[LinkedInSettings]):
    name = "linkedin"
    title = "LinkedIn"
    aliases = ("linkedin ads", "linkedin_ads", "li")
    docs = "https://learn.microsoft.com/en-us/linkedin/marketing/integrations/ads-reporting/conversions-api"
    settings_type = LinkedInSettings
    events: ClassVar[Mapping[str, str | None]] = {
        "purchase": "PURCHASE",
        "game_launch": "OTHER",
        "install": "INSTALL",
        "session_start": "OTHER",
        "sign_up": "SIGN_UP",
        "lead": "LEAD",
        "email_acquired": "LEAD",
        "add_to_cart": "ADD_TO_CART",
        "wishlist_add": "ADD_TO_LIST",
        "wishlist_remove": "OTHER",
        "begin_checkout": "START_CHECKOUT",
        "add_payment_info": "ADD_BILLING_INFO",
        "view_content": "VIEW_CONTENT",
        "search": "SEARCH",
        "start_trial": "START_TRIAL",
        "subscribe": "SUBSCRIBE",
        "contact": "CONTACT",
        "download": "DOWNLOAD",
        "schedule": "SCHEDULE",
        "submit_application": "SUBMIT_APPLICATION",
        "level_achieved": "OTHER",
        "tutorial_complete": "OTHER",
        "ad_click": "AD_CLICK",
        "ad_impression": "AD_VIEW",
        "page_view": "KEY_PAGE_VIEW",
    }
    event_kind = "suggested type of its conversion rule"
    standard_events = frozenset()
    links: ClassVar[Mapping[str, str]] = {
        # Its campaign is what others call an ad group.
        "campaign_name": "CAMPAIGN_GROUP_NAME",
        "campaign_id": "CAMPAIGN_GROUP_ID",
        "ad_group_id": "CAMPAIGN_ID",
        "ad_id": "CREATIVE_ID",
    }
    link_field = "campaign > Tracking parameters, each name with its value"
    link_is_query = True
    click_ids = ids = ("li_fat_id",)
    click_id_example = "df5gf5-gh6t7-ph4j7h-"
    click_match_keys = ("LINKEDIN_FIRST_PARTY_ADS_TRACKING_UUID",)
    assets: ClassVar[Mapping[str, str]] = dict.fromkeys(EVENT_SOURCES, "conversion_rules")
    match_rules: ClassVar[Mapping[str, str]] = dict.fromkeys(EVENT_SOURCES, MATCH_RULE)
    match_columns: ClassVar[Mapping[str, str]] = {"email": "SHA256_EMAIL", "ip_address": "PLAINTEXT_IP_ADDRESS"}
    match_properties = ("acxiom_id", "oracle_moat_id", "title", "company_name")
    denials = ("limited_data_use", "opt_out")
    test_setting = "test_conversion_rules"
    tests_by_event = True
    request_limits = Limits(events=5000, bytes=5_000_000)  # of bytes nothing is documented (unconfirmed)
    max_age = timedelta(days=90)
    max_ahead = timedelta(minutes=10)  # nothing is documented (unconfirmed)
    counts_within = "the rule's windows, 30 days of a click and 7 of a view unless set otherwise"
    codes = answers.CODES
    statuses = answers.STATUSES
    throttled_seconds = 60
    advice = answers.ADVICE
    advice_by_words = answers.ADVICE_BY_WORDS

    def __init__(self, settings: LinkedInSettings, preset: EventTable | None = None, account: str = "default") -> None:
        super().__init__(settings, preset, account)
        self._readings["email"] = lambda raw, conversion: email(raw)
        live = {event: rule_ids(rules) for event, rules in settings.conversion_rules.items()}
        counted = {rule for rules in live.values() for rule in rules}
        # A test never goes to a rule that counts, wherever its id comes from.
        tests = {
            event: tuple(rule for rule in rule_ids(rules) if rule not in counted)
            for event, rules in settings.test_conversion_rules.items()
        }
        self._rules = {False: live, True: {event: rules for event, rules in tests.items() if rules}}
        self._events_with_rules = {test: ByEvent({event: event for event in self._rules[test]}) for test in self._rules}

    # Whom it reaches.

    @classmethod
    def receivers(cls, settings: Mapping[str, Any]) -> Mapping[str, str]:
        return {
            f"conversion_rules.{event}" + (f"[{at}]" if at else ""): rule
            for event, rules in settings.get("conversion_rules", {}).items()
            for at, rule in enumerate(rule_ids(rules))
        }

    def asset(self, conversion: Conversion) -> str:
        """The first rule's id: an id that is added behind it sends nothing again."""
        try:
            return self._rules_of(conversion)[0]
        except Skip:
            return ""

    def asset_of(self, event_source: str) -> str:
        return next(iter(self.receivers({"conversion_rules": self.settings.conversion_rules}).values()), "")

    def _rules_of(self, conversion: Conversion) -> tuple[str, ...]:
        return self._rules[conversion.test][self.event(conversion)]

    def canonical_events(self, conversion: Conversion) -> Mapping[str, str | None]:
        return {}

    def custom_event(self, name: str, conversion: Conversion) -> str:
        """The key of ``conversion_rules``: LinkedIn knows no names of events."""
        if event := self._events_with_rules[conversion.test].get(name):
            return event
        if conversion.test:
            raise Skip("test_without_code", "the event has no rule of its own in test_conversion_rules")
        raise Skip("event_off", "the event has no rule; add one to conversion_rules")

    # What it takes.

    def priced(self, conversion: Conversion) -> Conversion:
        c = paired(completed(conversion, self.settings.default_currency))
        # LinkedIn reports whatever it gets. Its own tag leaves a zero out (unconfirmed which is right).
        is_sent = c.value is None or 0 < c.value < math.inf
        return c if is_sent else msgspec.structs.replace(c, value=None, currency=None)

    def envelope(self, conversion: Conversion) -> dict[str, JSON]:
        return {"test": True} if conversion.test else {}

    def payload(self, conversion: Conversion) -> JSON:
        c = conversion
        if len(c.event_id) > MAX_EVENT_ID:
            raise Skip("unsupported", f"event_id: longer than {MAX_EVENT_ID} characters; map a shorter one")
        element: dict[str, JSON] = {
            "conversionHappenedAt": int(c.event_time.timestamp()) * 1000 + c.event_time.microsecond // 1000
        }
        if c.value is not None and c.currency is not None:
            element["conversionValue"] = {"currencyCode": c.currency, "amount": decimal_text(c.value)}
        element["eventId"] = c.event_id
        element["user"] = self._user(c)
        elements = [{"conversion": f"{RULE}{rule}", **element} for rule in self._rules_of(c)]
        return elements[0] if len(elements) == 1 else elements

    def _user(self, c: Conversion) -> dict[str, JSON]:
        user: dict[str, JSON] = {"userIds": self._user_ids(c)}  # also when it is empty
        if self.settings.send_user_info and (info := _user_info(c)):
            user["userInfo"] = info
        if c.external_id:
            user["externalIds"] = c.external_id[:1]  # LinkedIn reads one
        if c.lead_id:
            user["lead"] = c.lead_id if c.lead_id.startswith("urn:li:") else f"{LEAD}{c.lead_id}"
        has_lead = "lead" in user and self.settings.linkedin_version >= LEAD_ALONE
        if not (user["userIds"] or "userInfo" in user or "externalIds" in user or has_lead):
            raise Skip("no_match_key", f"needed: {MATCH_RULE}")
        return user

    def _user_ids(self, c: Conversion) -> list[JSON]:
        version = self.settings.linkedin_version
        ids: list[tuple[str, JSON]] = []
        if c.email and (digest := keys.first_hashed(c.email, email)):
            ids.append(("SHA256_EMAIL", digest))
        if click_id := self.click_id(c):
            ids.append(("LINKEDIN_FIRST_PARTY_ADS_TRACKING_UUID", click_id))
        # IPv6 it would take, and match to nobody.
        if c.ip_address and (address := self.ip_address(c.ip_address)) and ":" not in address:
            ids += self._addresses(address)
        if version >= GOOGLE_AID and (raw := mobile.gaid(c)) and (gaid := keys.gaid(raw)):
            ids.append(("GOOGLE_AID", gaid))
        if c.properties and (acxiom := as_text(c.properties.get("acxiom_id"))):
            ids.append(("ACXIOM_ID", acxiom))
        if c.properties and version < NO_MORE_MOAT and (moat := as_text(c.properties.get("oracle_moat_id"))):
            ids.append(("ORACLE_MOAT_ID", moat))
        return [{"idType": kind, "idValue": value} for kind, value in ids]

    def _addresses(self, address: str) -> Iterable[tuple[str, JSON]]:
        send_ip, version = self.settings.send_ip, self.settings.linkedin_version
        if send_ip == "plaintext" and version >= PLAINTEXT_IP:
            yield "PLAINTEXT_IP_ADDRESS", address
        if send_ip == "sha256" and version >= SHA256_IP:
            yield "SHA256_IP_ADDRESS", keys.sha256(address)

    def ip_address(self, raw: str) -> str | None:
        return keys.plain_ip(raw)  # LinkedIn takes what is malformed without a word

    def match_keys(self, payload: Mapping[str, JSON] | Sequence[Mapping[str, JSON]]) -> Iterable[str]:
        user = (payload if isinstance(payload, Mapping) else payload[0])["user"]
        return [*(each["idType"] for each in user["userIds"]), *(key for key in user if key != "userIds")]

    # How it is asked.

    def request(self, envelope: Mapping[str, JSON], payloads: Sequence[JSON]) -> Request:
        signs_in = bool(self.credentials())
        return Request(
            url=self.url(URL),
            headers={
                **({} if signs_in else {"Authorization": f"Bearer {self.settings.access_token}"}),
                "Content-Type": "application/json",
                "LinkedIn-Version": self.settings.linkedin_version,
                "X-Restli-Protocol-Version": "2.0.0",
                "X-RestLi-Method": "BATCH_CREATE",
            },
            body={"elements": payloads},
        )

    def credentials(self) -> tuple[str, ...]:
        """With what a token is refreshed; empty where the token of the settings is all there is."""
        settings = self.settings
        secrets = [getattr(settings, name) or "" for name in REFRESH]
        return (settings.access_token, *secrets) if all(secrets) else ()

    def access(self) -> Access | None:
        token = self.settings.access_token
        return Access({"Authorization": f"Bearer {token}"}, math.inf, token)  # until LinkedIn refuses it

    def ended(self, response: Response) -> bool:
        return super().ended(response) and answers.error(response.body)[0] != answers.REVOKED

    def sign_in(self, send: Send) -> Access:
        refresh_token, client_id, client_secret = (getattr(self.settings, name) for name in REFRESH)
        return refreshed(
            send, self.url(TOKEN_URL), refresh_token=refresh_token, client_id=client_id, client_secret=client_secret
        ).access

    def outcomes(self, response: Response, count: int) -> list[Outcome]:
        return answers.outcomes(response, count)


def email(raw: str) -> str | None:
    """``' Ada L+x@Example.com '`` -> ``'adal+x@example.com'``: no white space at all; None if it is no address."""
    return keys.email("".join(raw.split()))


def _user_info(c: Conversion) -> dict[str, JSON] | None:
    """Five fields at most, for which both names have to be there."""
    first, last = keys.unhashed(c.first_name), keys.unhashed(c.last_name)
    if not first or not last or max(len(first), len(last)) > MAX_NAME:
        return None
    return prune(
        {
            "firstName": first,
            "lastName": last,
            "title": as_text(c.properties.get("title")),
            "companyName": as_text(c.properties.get("company_name")),
            "countryCode": keys.unhashed(c.country),
        }
    )


NETWORK = LinkedIn
