"""The section ``google_ads`` of the config."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

import msgspec

from target_adpostbacks.core.settings import PhoneSettings, doc

Consent = Literal["granted", "denied"]

CLIENT_DOMAIN = ".apps.googleusercontent.com"
OAUTH = ("oauth_client_id", "oauth_client_secret", "refresh_token")
KEY_FILE = ("client_email", "private_key", "token_uri")
MOST_AGE_DAYS = 90

_ACCOUNT_ID = re.compile(r"[0-9]{10}").fullmatch
_ACTION_ID = re.compile(r"[0-9]{1,19}").fullmatch
_VERSION = re.compile(r"v[0-9]{1,3}").fullmatch
_PREFIX = re.compile(r"[A-Za-z0-9_.-]{1,32}").fullmatch
_LANGUAGE = re.compile(r"[A-Za-z]{2}").fullmatch
_DEVELOPER_TOKEN = re.compile(r"[A-Za-z0-9_-]{22}").fullmatch


class GoogleAdsSettings(PhoneSettings, frozen=True, kw_only=True):
    customer_id: Annotated[
        str,
        doc(
            "Ten digits, with or without hyphens: the account that owns the conversion actions. With cross-account"
            " conversion tracking that is the manager.",
            where="Google Ads, top right",
            example="1234567890",
        ),
    ]
    conversion_actions: Annotated[
        Mapping[str, str | int],
        doc(
            "Your event names to the conversion actions that receive them: the number, or the whole resource name. An"
            " event without one is skipped, `event_off`.",
            where="Google Ads > Goals > Conversions > the action: `ctId` in the page's address",
            example={"purchase": "987654321", "lead": "555000111"},
        ),
    ] = {}
    default_conversion_action: Annotated[
        str | None, doc("The conversion action of events that have none of their own.")
    ] = None
    oauth_client_id: Annotated[
        str | None,
        doc(
            "OAuth client of a desktop or web application.",
            where="Google Cloud console > APIs & Services > Credentials",
            example="123-example.apps.googleusercontent.com",
        ),
    ] = None
    oauth_client_secret: Annotated[
        str | None, doc("Its secret.", where="the same page", example="example-client-secret", secret=True)
    ] = None
    refresh_token: Annotated[
        str | None,
        doc(
            "Refresh token of a user who may write to the account. Those of a client in the state Testing expire"
            " after a week.",
            where="the OAuth consent of that user",
            example="1//example-refresh-token",
            secret=True,
        ),
    ] = None
    service_account_json: Annotated[
        str | None,
        doc(
            "In place of the three above: the content of a service account's key file. Add its e-mail address as a user"
            " in Google Ads > Admin > Access and security.",
            where="Google Cloud console > IAM & Admin > Service accounts > Keys",
            secret=True,
            multiline=True,
        ),
    ] = None
    api: Annotated[
        Literal["data_manager", "google_ads"],
        doc(
            "`data_manager`: the Data Manager API. `google_ads`: the Google Ads API, which can retract conversions, for"
            " accounts that used its uploads before June 2026."
        ),
    ] = "data_manager"
    api_version: Annotated[str, doc("Version of the Google Ads API.")] = "v26"
    login_customer_id: Annotated[str | None, doc("The manager account through which the user has access.")] = None
    linked_customer_id: Annotated[
        str | None, doc("For data partners, whose own account is `login_customer_id`. Data Manager API only.")
    ] = None
    quota_project: Annotated[
        str | None, doc("Google Cloud project that the requests count for. Data Manager API only.")
    ] = None
    developer_token: Annotated[
        str | None,
        doc("Token of the former API Center, which Google no longer needs. Google Ads API only.", secret=True),
    ] = None
    default_ad_user_data: Annotated[
        Consent | None, doc("Consent of records that do not say. Default: it is not told. denied: they are not sent.")
    ] = None
    default_ad_personalization: Annotated[
        Consent | None, doc("The same for personalized ads. Data Manager API only.")
    ] = None
    default_event_source: Annotated[
        Literal["OTHER", "PHONE", "MESSAGE"], doc("What offline and CRM events are to the Data Manager API.")
    ] = "OTHER"
    send_ip: Annotated[
        Literal["outside_europe", "always", "never"],
        doc(
            "When IP addresses are sent. Google matches nobody by them in the EEA, the United Kingdom and Switzerland;"
            " a person without `country` may be there. Data Manager API only."
        ),
    ] = "outside_europe"
    allow_ip_only: Annotated[
        bool, doc("true: an IP address is enough to send a conversion. Data Manager API only.")
    ] = False
    transaction_id_prefix: Annotated[
        str | None,
        doc("Stands before every order id and event id, `row-` for example, where Google refuses bare numbers."),
    ] = None
    merchant_id: Annotated[str | None, doc("Merchant Center id of the products in `contents`.")] = None
    merchant_feed_label: Annotated[str | None, doc("Their feed's label, a country for example.")] = None
    merchant_feed_language: Annotated[str | None, doc("Their feed's language, two letters.")] = None
    request_timeout_seconds: Annotated[
        int, doc("Time for one request, from connecting to the last byte of its answer.", anywhere=True, ge=1, le=3600)
    ] = 120

    def problems(self) -> Iterable[str]:
        yield from super().problems()
        if not google_auth_is_installed():
            yield "api: signing in to Google needs google-auth; pip install 'target-adpostbacks[google]'"
        for name in ("customer_id", "login_customer_id", "linked_customer_id"):
            if (value := getattr(self, name)) and not _ACCOUNT_ID(digits(value)):
                yield f"{name}: ten digits expected, as 123-456-7890 or without the hyphens"
        if self.linked_customer_id and not self.login_customer_id:
            yield "linked_customer_id: is for data partners; set login_customer_id to your own account too"
        yield from self._action_problems()
        yield from self._credential_problems()
        yield from self._further_problems()

    def _action_problems(self) -> Iterable[str]:
        rule = "the conversion action's number expected, `ctId` in the address of its page"
        if not self.conversion_actions and not self.default_conversion_action:
            yield "conversion_actions: missing; map your event names to conversion actions, or set a default one"
        for event, action in self.conversion_actions.items():
            if not _ACTION_ID(action_id(action)):
                yield f"conversion_actions.{event}: {rule}"
        if self.default_conversion_action and not _ACTION_ID(action_id(self.default_conversion_action)):
            yield f"default_conversion_action: {rule}"

    def _credential_problems(self) -> Iterable[str]:
        present = [name for name in OAUTH if getattr(self, name)]
        if self.service_account_json:
            if present:
                yield f"service_account_json: stands beside {', '.join(present)}; keep one way to sign in"
            elif problem := key_file_problem(self.service_account_json):
                yield f"service_account_json: {problem}"
            return
        for name in OAUTH:
            if name not in present:
                yield f"{name}: missing; an account signs in with {', '.join(OAUTH)}, or with service_account_json"
        if self.oauth_client_id and not self.oauth_client_id.endswith(CLIENT_DOMAIN):
            yield f"oauth_client_id: an id that ends with {CLIENT_DOMAIN} expected"

    def _further_problems(self) -> Iterable[str]:
        if not _VERSION(self.api_version):
            yield "api_version: `v` and a number expected, v26"
        if self.transaction_id_prefix and not _PREFIX(self.transaction_id_prefix):
            yield "transaction_id_prefix: up to 32 letters, digits, `_`, `.` or `-` expected"
        if self.merchant_id and not self.merchant_id.isdecimal():
            yield "merchant_id: digits expected"
        if self.merchant_feed_language and not _LANGUAGE(self.merchant_feed_language):
            yield "merchant_feed_language: two letters expected, en"
        if (self.max_event_age_days or 0) > MOST_AGE_DAYS:
            yield f"max_event_age_days: {MOST_AGE_DAYS} at most, which is how long Google attributes to a click"

    def hints(self) -> Iterable[str]:
        if self.refresh_token and not self.refresh_token.startswith("1//"):
            yield "refresh_token: does not begin with 1//; is it an access token?"
        if self.developer_token and not _DEVELOPER_TOKEN(self.developer_token):
            yield "developer_token: not 22 letters and digits; was it copied whole?"


def digits(account: str) -> str:
    """``'123-456-7890'`` -> ``'1234567890'``."""
    return re.sub(r"[\s-]", "", account)


def action_id(action: str | int) -> str:
    """``'customers/1234567890/conversionActions/987654321'`` -> ``'987654321'``."""
    return str(action).rpartition("/")[2].strip()


def google_auth_is_installed() -> bool:
    try:
        return importlib.util.find_spec("google.auth") is not None
    except (ImportError, ValueError):
        return False


def key_file_problem(text: str) -> str:
    """What is wrong with a service account's key file; empty if nothing is. Never a value."""
    if (info := key_file(text)) is None:
        return f"JSON with {', '.join(KEY_FILE)} expected, as Google Cloud writes the file"
    if not info["token_uri"].startswith("https://"):
        return "its token_uri is no https URL"
    if google_auth_is_installed():
        from google.oauth2 import service_account

        try:
            service_account.Credentials.from_service_account_info(info)  # type: ignore[no-untyped-call]
        except ValueError:
            return "its private_key can't be read; copy the file whole"
    return ""


def key_file(text: str) -> dict[str, Any] | None:
    """A service account's key file; None if it is none."""
    try:
        info = msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if not isinstance(info, dict) or not all(isinstance(info.get(name), str) for name in KEY_FILE):
        return None
    return info
