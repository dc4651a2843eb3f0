"""TikTok, Events API v1.3: ``event/track/`` and the endpoints of its OAuth. HTTP 200 for nearly everything."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from target_adpostbacks.sandbox.network import Answer, Batch, Call, Event, Refused, SandboxNetwork
from target_adpostbacks.sandbox.networks import _tiktok_answers as answers
from target_adpostbacks.sandbox.networks import _tiktok_oauth as oauth
from target_adpostbacks.sandbox.schema import Problem, first_problem, validator

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


class TikTok(SandboxNetwork):
    name = "tiktok"
    errors = answers.ERRORS.keys()
    dedup_window = timedelta(hours=48)
    paths = (
        "/open_api/v1.3/event/track/",
        "/open_api/v1.3/oauth2/access_token/",
        "/open_api/v1.3/oauth2/revoke_token/",
        "/open_api/v1.3/oauth2/advertiser/get/",
        "/open_api/v1.3/pixel/list/",
    )
    refusal = (
        "HTTP 200 with a `code`. The message names the first bad event: `Invalid value for data.3.event_id: "
        "not a valid string.`"
    )
    stricter = (
        "Keys that TikTok does not document (outside `properties` and `contents`), fields of another event "
        "source, events without a match key or older than 28 days, and currencies that are not on TikTok's "
        "list."
    )
    deduplication = "The same asset, event and `event_id` within 48 hours are one event. The first copy wins."

    def owns(self, path: str) -> bool:
        return path.startswith(ROOT)

    def knows(self, error: str) -> bool:
        return error in answers.ERRORS or bool(answers.NUMBERED.match(error))

    def receive(self, call: Call) -> Batch | Answer:
        if not call.path.startswith(V13):
            raise Refused(answers.error(call, "invalid_api_version"))
        method, endpoint = ENDPOINTS.get(call.path.removeprefix(V13), ("", None))
        if endpoint is None:
            raise Refused(answers.error(call, "route"))
        if call.method != method:
            raise Refused(answers.error(call, "method_forbidden"))
        return endpoint(call)

    def accepted(self, call: Call, count: int) -> Answer:
        return answers.success(call, {})

    def refused(self, call: Call, problem: Problem) -> Answer:
        return answers.refused(call, problem)

    def error(self, call: Call, name: str) -> Answer:
        return answers.error(call, name)

    def failed(self, status: int) -> Answer:
        return Answer(status=status, body=f"<html><body>{status}</body></html>", code=str(status))

    def ids_in(self, body: Any) -> list[str]:
        return [str(event.get("event_id")) for event in body["data"]]


def track(call: Call) -> Batch:
    token = answers.good_token(call)
    body = answers.json_body(call)
    if isinstance(body, dict) and isinstance(body.get("data"), list) and len(body["data"]) > BATCH_SIZE:
        raise Refused(answers.error(call, "invalid_batch_size"))
    wrong = first_problem(validator(answers.SCHEMAS, "track"), body, ("data",))
    if wrong is not None and wrong.index is None:
        raise Refused(answers.refused(call, wrong))
    check_envelope(call, token)
    source = body["event_source"]
    sound = body["data"] if wrong is None else body["data"][: wrong.index]
    for index, event in enumerate(sound):
        for problem in event_problems(event, source, call):
            raise Refused(answers.refused(call, replace(problem, index=index)))
    if wrong is not None:
        raise Refused(answers.refused(call, wrong))
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


def check_envelope(call: Call, token: str) -> None:
    source, asset = call.body["event_source"], call.body["event_source_id"]
    if not ASSET.get(source, NUMBER).match(asset):
        raise Refused(answers.refused(call, Problem("event_source_id", "not a valid string", value=asset)))
    if not PARTNER.match(call.body.get("partner_name", "none")):
        raise Refused(answers.error(call, "invalid_partner_name"))
    if not (call.access.exists(asset) and call.access.may(token, asset)):
        raise Refused(answers.error(call, "no_permission"))


ENDPOINTS: dict[str, tuple[str, Callable[[Call], Batch | Answer]]] = {
    "event/track/": ("POST", track),
    "oauth2/access_token/": ("POST", oauth.access_token),
    "oauth2/revoke_token/": ("POST", oauth.revoke_token),
    "oauth2/advertiser/get/": ("GET", oauth.advertisers),
    "pixel/list/": ("GET", oauth.pixel_list),
}


def event_problems(event: Mapping[str, Any], source: str, call: Call) -> Iterator[Problem]:
    """What a schema cannot say of an event."""
    user = event.get("user", {})
    for key in HASHED:
        value = user.get(key, ())
        if not all(SHA256.match(one) for one in ([value] if isinstance(value, str) else value)):
            yield Problem(f"user.{key}", "PII is not hashed", code="pii_not_hashed", value=value)
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


NETWORK = TikTok()
