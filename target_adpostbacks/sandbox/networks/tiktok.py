"""TikTok, Events API v1.3: ``event/track/`` and the endpoints of its OAuth. HTTP 200 for nearly everything."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from target_adpostbacks.sandbox.network import NOT_JSON, Answer, Batch, Call, Event, Refused, SandboxNetwork
from target_adpostbacks.sandbox.networks import _tiktok_oauth as oauth
from target_adpostbacks.sandbox.schema import Problem, first_problem, validator

SCHEMAS = Path(__file__).with_suffix(".json")
ROOT = "/open_api/"
V13 = f"{ROOT}v1.3/"
BATCH_SIZE = 1000
MAX_AGE, MAX_AHEAD = timedelta(days=28), timedelta(minutes=10)
HASHED = ("email", "phone", "external_id", "first_name", "last_name", "zip_code")
SHA256 = re.compile(r"[0-9a-f]{64}\Z")
ASSET = {"web": re.compile(r"(?=.{1,100}\Z)[A-Z0-9]*[A-Z][A-Z0-9]*\Z")}  # the code, not the numeric pixel id
NUMBER = re.compile(r"[0-9]{1,30}\Z")
PARTNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}\Z")
STANDARD = frozenset(
    "AddPaymentInfo AddToCart AddToWishlist ApplicationApproval CompleteRegistration Contact CustomizeProduct Download "
    "FindLocation InitiateCheckout Lead Purchase Schedule Search StartTrial SubmitApplication Subscribe ViewContent "
    "CompletePayment SubmitForm PlaceAnOrder ClickButton".split()
)
# Keys that only some sources may carry; the others may come from anywhere.
SCOPE: dict[tuple[str, ...], set[str]] = {
    ("limited_data_use",): {"web", "app"},
    ("page",): {"web", "app", "offline"},
    ("app",): {"app"},
    ("ad",): {"app", "web"},
    ("lead",): {"crm"},
    **{("user", key): {"web"} for key in ("ttclid", "ttp")},
    ("user", "external_id"): {"web", "crm"},
    **{("user", key): {"web", "app"} for key in ("ip", "user_agent", "locale")},
    **{("user", key): {"app"} for key in ("idfa", "gaid", "idfv", "att_status")},
}
ROLE = " You must be an admin or operator of this advertiser account."
ERRORS: dict[str, tuple[int, str]] = {
    "partial": (20001, "Partial success"),
    "invalid_params": (40000, "Invalid parameters."),
    "no_permission": (40001, "No permission to operate pixel code: {asset}." + ROLE),
    "param_error": (40002, "Invalid value for event_id: not a valid string."),
    "forbidden": (40003, "Forbidden."),
    "not_exist": (40007, "Does not exist."),
    "sandbox_unsupported": (40009, "Unsupported in the sandbox."),
    "frequency_control": (40016, "Too many requests."),
    "duplicated_request": (40050, "Duplicated request."),
    "invalid_api_version": (40051, "Invalid API version."),
    "invalid_batch_size": (40061, "Invalid batch size."),
    "pii_not_hashed": (40062, "PII is not hashed."),
    "invalid_partner_name": (40063, "Invalid partner name."),
    "too_frequent": (40100, "Too many requests. Please retry in some time."),
    "invalid_app": (40101, "App id or secret is invalid."),
    "token_expired": (40102, "Access token has expired."),
    "refresh_token_expired": (40103, "Refresh token has expired."),
    "empty_token": (40104, "Access token is empty."),
    "invalid_token": (40105, "Access token is incorrect or has been revoked."),
    "invalid_refresh_token": (40107, "Refresh token is invalid."),
    "grant_type": (40108, "Grant type is not supported."),
    "auth_code": (40110, "Auth code is invalid or has been used."),
    "app_forbidden": (40113, "The app is forbidden."),
    "advertiser_logged_out": (40114, "The advertiser has logged out."),
    "method_forbidden": (40117, "Method is forbidden."),
    "not_allow_listed": (40118, "Not on the allow list."),
    "developer_not_permitted": (40125, "The developer is not permitted."),
    "scope": (40130, "Scope is missing."),
    "frequency_control_2": (40132, "Too many requests."),
    "write_conflict": (40202, "Write conflict. Please retry."),
    "no_advertiser": (40300, "No such advertiser."),
    "role": (40301, "The user's role does not allow this."),
    "login": (40309, "Login is required."),
    "route": (40400, "No such route."),
    "blocked": (41000, "Blocked."),
    "offline_interface": (41001, "Offline interface error."),
    "offline_fields": (41002, "Offline fields error."),
    "system_error": (50000, "System error"),
    "timeout": (50002, "Service error: timed out."),
    "internal_timeout": (51010, "Service error: timed out."),
    "pixel_service": (51012, "Service error: please retry."),
    "measurement_service": (51050, "Service error: please retry."),
    "storage": (52000, "Service error: please retry."),
    "maintenance": (60001, "Under maintenance."),
    "too_many_requests": (61000, "Too many requests."),
}  # fmt: skip
NUMBERED = re.compile(r"[1-9][0-9]{4}\Z")  # any code may be asked for by number


class TikTok(SandboxNetwork):
    name = "tiktok"
    errors = ERRORS.keys()
    dedup_window = timedelta(hours=48)

    def owns(self, path: str) -> bool:
        return path.startswith(ROOT)

    def knows(self, error: str) -> bool:
        return error in ERRORS or bool(NUMBERED.match(error))

    def receive(self, call: Call) -> Batch | Answer:
        if not call.path.startswith(V13):
            raise Refused(self.error(call, "invalid_api_version"))
        method, endpoint = ENDPOINTS.get(call.path.removeprefix(V13), ("", None))
        if endpoint is None:
            raise Refused(self.error(call, "route"))
        if call.method != method:
            raise Refused(self.error(call, "method_forbidden"))
        return endpoint(self, call)

    def accepted(self, call: Call, count: int) -> Answer:
        return self.success(call, {})

    def success(self, call: Call, data: Mapping[str, Any]) -> Answer:
        return Answer(body={"code": 0, "message": "OK", "request_id": request_id(call), "data": data})

    def refused(self, call: Call, problem: Problem) -> Answer:
        code = problem.code or "param_error"
        named = problem.index is not None and not call.silent
        where = f"data.{problem.index}.{problem.field}" if named else problem.field
        value = f" (got {problem.value!r})" if call.echo else ""
        return self.error(call, code, f"Invalid value for {where}: {problem.rule}{value}.")

    def error(self, call: Call, name: str, message: str = "") -> Answer:
        code, usual = ERRORS.get(name) or by_number(int(name))
        body = call.body if isinstance(call.body, dict) else {}
        told = message or usual.format(asset=body.get("event_source_id", "unknown"))
        return Answer(body={"code": code, "message": told, "request_id": request_id(call)}, code=str(code))

    def failed(self, status: int) -> Answer:
        return Answer(status=status, body=f"<html><body>{status}</body></html>", code=str(status))

    def event_ids(self, body: Any) -> list[str]:
        try:
            return [str(event.get("event_id")) for event in body["data"]]
        except (AttributeError, KeyError, TypeError):
            return []

    def track(self, call: Call) -> Batch:
        token = self.token(call)
        body = self.json(call)
        if isinstance(body, dict) and isinstance(body.get("data"), list) and len(body["data"]) > BATCH_SIZE:
            raise Refused(self.error(call, "invalid_batch_size"))
        wrong = first_problem(validator(SCHEMAS, "track"), body, ("data",))
        if wrong is not None and wrong.index is None:
            raise Refused(self.refused(call, wrong))
        self.envelope(call, token)
        source = body["event_source"]
        sound = body["data"] if wrong is None else body["data"][: wrong.index]
        for index, event in enumerate(sound):
            for problem in event_problems(event, source, call):
                raise Refused(self.refused(call, replace(problem, index=index)))
        if wrong is not None:
            raise Refused(self.refused(call, wrong))
        return Batch(
            asset=body["event_source_id"],
            test="test_event_code" in body,
            events=[
                Event(
                    name=event["event"],
                    event_id=event.get("event_id"),
                    payload=event,
                    key=(event["event"], event["event_id"]) if "event_id" in event else None,
                )
                for event in body["data"]
            ],
        )

    def envelope(self, call: Call, token: str) -> None:
        source, asset = call.body["event_source"], call.body["event_source_id"]
        if not ASSET.get(source, NUMBER).match(asset):
            raise Refused(self.refused(call, Problem("event_source_id", "not a valid string", value=asset)))
        if not PARTNER.match(call.body.get("partner_name", "none")):
            raise Refused(self.error(call, "invalid_partner_name"))
        if not (call.access.exists(asset) and call.access.may(token, asset)):
            raise Refused(self.error(call, "no_permission"))

    def token(self, call: Call) -> str:
        token = call.headers.get("access-token", "").strip()
        if not token:
            raise Refused(self.error(call, "empty_token"))
        if call.access.expired(token):
            raise Refused(self.error(call, "token_expired"))
        if not call.access.good(token):
            raise Refused(self.error(call, "invalid_token"))
        return token

    def json(self, call: Call) -> Any:
        if call.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refused(self.error(call, "invalid_params", "Content-Type must be application/json."))
        if call.body is NOT_JSON:
            raise Refused(self.error(call, "invalid_params", "The body is not valid JSON."))
        return call.body


ENDPOINTS: dict[str, tuple[str, Callable[[TikTok, Call], Batch | Answer]]] = {
    "event/track/": ("POST", TikTok.track),
    "oauth2/access_token/": ("POST", oauth.access_token),
    "oauth2/revoke_token/": ("POST", oauth.revoke_token),
    "oauth2/advertiser/get/": ("GET", oauth.advertisers),
    "pixel/list/": ("GET", oauth.pixels),
}


def event_problems(event: Mapping[str, Any], source: str, call: Call) -> Iterator[Problem]:
    """What a schema cannot say of an event."""
    user = event.get("user", {})
    for key in HASHED:
        given = user.get(key, ())
        if not all(SHA256.match(one) for one in ([given] if isinstance(given, str) else given)):
            yield Problem(f"user.{key}", "PII is not hashed", code="pii_not_hashed", value=given)
    age = call.now.timestamp() - event["event_time"]
    if age < -MAX_AHEAD.total_seconds():
        yield Problem("event_time", "in the future", value=event["event_time"])
    if age > MAX_AGE.total_seconds():
        yield Problem("event_time", "more than 28 days ago", value=event["event_time"])
    for path, sources in SCOPE.items():
        holder = event if len(path) == 1 else user
        if path[-1] in holder and source not in sources:
            yield Problem(".".join(path), f"not a field of {source} events")
    if source == "offline" and event["event"] not in STANDARD:
        yield Problem("event", "not a standard event", value=event["event"])
    yield from missing(event, user, source)


def missing(event: Mapping[str, Any], user: Mapping[str, Any], source: str) -> Iterator[Problem]:
    """The match keys and objects without which an event of this source is of no use."""
    person = {"email", "phone"} & user.keys() or {"ip", "user_agent"} <= user.keys()
    if source == "web" and not (person or {"ttclid", "ttp", "external_id"} & user.keys()):
        yield Problem("user", "no match key", kind="missing")
    if source == "app":
        if "app" not in event:
            yield Problem("app.app_id", "missing required field", kind="missing")
        if not (person or {"idfa", "gaid", "idfv"} & user.keys() or "callback" in event.get("ad", {})):
            yield Problem("user", "no match key", kind="missing")
    if source == "offline" and not {"email", "phone"} & user.keys():
        yield Problem("user", "no match key", kind="missing")
    if source == "crm" and "lead" not in event:
        yield Problem("lead.lead_id", "missing required field", kind="missing")


def request_id(call: Call) -> str:
    """``'20261120120500000000000000000000000001'``'s like: a time and twenty hex digits."""
    return f"{call.now:%Y%m%d%H%M%S}{call.number:020X}"


def by_number(code: int) -> tuple[int, str]:
    return next((known for known in ERRORS.values() if known[0] == code), (code, "Service error: please retry."))


NETWORK = TikTok()
