"""Meta, Conversions API: ``{api_version}/{pixel_id}/events``. What an error is stands in its code and subcode."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from target_adpostbacks.sandbox.network import NOT_JSON, Answer, Batch, Call, Event, Refused, SandboxNetwork
from target_adpostbacks.sandbox.schema import Problem, first_problem, validator

SCHEMAS = Path(__file__).with_suffix(".json")
PATH = re.compile(r"/(v[0-9]{2}\.[0-9])/([^/]+)/events\Z")
OURS = re.compile(r"/v[0-9]+\.[0-9]+(/|\Z)|/[0-9]+/events\Z")
DATA_SET = re.compile(r"/v[0-9]{2}\.[0-9]/([^/]+)\Z")
PIXEL = re.compile(r"[0-9]{5,20}\Z")
SHA256 = re.compile(r"[0-9a-f]{64}(\.([A-Za-z0-9_-]{2}|[A-Za-z0-9_-]{8}))?\Z")
NUMBERED = re.compile(r"(-?[0-9]{1,6})/([0-9]{1,8})\Z")  # any code and subcode may be asked for: 100/2804019
PAGE = "<html><head><title>Error</title></head><body>Sorry, something went wrong.</body></html>"
HASHED = ("em", "ph", "fn", "ln", "ge", "db", "ct", "st", "zp", "country")
TOO_LITTLE = (
    {"ct", "country", "st", "zp", "ge", "client_user_agent"},
    {"db", "client_user_agent"},
    {"fn", "ge"},
    {"ln", "ge"},
)
MAX_AGE, MAX_AGE_IN_STORE, MAX_AHEAD = timedelta(days=7), timedelta(days=62), timedelta(minutes=1)
COOKIE_AHEAD = 60_000  # milliseconds
USAGE = '{"123456789012345": [{"type": "ads_management", "call_count": 100, "estimated_time_to_regain_access": 1}]}'


class Error(NamedTuple):
    """One documented error; ``status`` is the HTTP status that it was seen with."""

    code: int
    subcode: int | None = None
    message: str = "Invalid parameter"
    status: int = 400
    is_transient: bool = False
    title: str = ""


LIMIT = "There have been too many calls. Wait a bit and try again."
ERRORS = {
    "invalid_token": Error(190, message="Error validating access token.", status=401),
    "password_changed": Error(190, 460, "Error validating access token: the password was changed."),
    "token_expired": Error(190, 463, "Error validating access token: the session has expired.", 401),
    "token_invalidated": Error(190, 467, "The access token is invalid.", 500),
    "session_invalid": Error(102, message="Session key invalid or no longer valid."),
    "no_permission": Error(10, message="The application has no permission for this action.", status=403),
    "permission_missing": Error(200, message="Permissions error.", status=403),
    "capability_missing": Error(3, message="The application lacks the capability to make this call."),
    "ads_permission_missing": Error(294, message="A permission to manage advertisements is needed.", status=403),
    "unknown_data_set": Error(100, 33, "Unsupported post request: the object does not exist, or not for this token."),
    "appsecret_proof_invalid": Error(100, message="Invalid appsecret_proof provided in the API argument."),
    "appsecret_proof_missing": Error(104, message="API calls from the server need an appsecret_proof argument."),
    "unknown_alias": Error(803, message="Some of the aliases that were asked for do not exist.", status=404),
    "dead_version": Error(2635, message="A version of the API that is no longer served was called."),
    "unknown_path": Error(2500, message="Unknown path components."),
    "app_limit": Error(4, 1504022, LIMIT, is_transient=True),
    "app_limit_403": Error(4, 1504039, LIMIT, 403),
    "account_limit": Error(17, 2446079, LIMIT),
    "page_limit": Error(32, message=LIMIT),
    "application_limit": Error(341, message=LIMIT),
    "custom_limit": Error(613, 1487742, LIMIT),
    "custom_limit_2": Error(613, 5044001, LIMIT),
    "business_limit": Error(80004, message=LIMIT),
    "too_old": Error(100, 2804003, title="Event Timestamp Too Old"),
    "no_value": Error(100, 2804009, title="Purchase Without Value"),
    "no_currency": Error(100, 2804010, title="Purchase Without Currency"),
    "not_hashed": Error(100, 2804016, title="Customer Information Is Not Hashed"),
    "too_little_information": Error(100, 2804050, title="Too Little Customer Information"),
    "invalid_parameter": Error(100),
    "too_many_parameters": Error(105, message="The number of parameters exceeded the maximum."),
    "unknown_error": Error(1, message="An unknown error occurred.", status=500),
    "service_unavailable": Error(2, message="Service temporarily unavailable.", status=500),
    "unknown_error_5000": Error(5000, message="Unknown error code."),
    "upload_not_ready": Error(21009, message="The upload is not ready."),
    "temporary_block": Error(368, message="The action is deemed abusive or is otherwise not allowed."),
    "internal_error": Error(-1, message="Internal error.", status=500),
}


class Meta(SandboxNetwork):
    name = "meta"
    errors = ERRORS.keys()
    dedup_window = timedelta(hours=48)
    paths = ("/{api_version}/{pixel_id}/events", "/{api_version}/{pixel_id}")
    refusal = (
        "HTTP 400 (or 401, 403, 404, 500) with `error.code` and `error.error_subcode`. It names no event; "
        "`error_user_msg` says which rule was broken."
    )
    stricter = (
        "Keys that Meta does not document (outside `custom_data`), match keys outside a list, objects in "
        "custom properties, events more than a minute ahead, `fbc` and `fbp` created more than a minute after "
        "the event, and app events without both tracking flags or without exactly sixteen entries in `extinfo` "
        "(Meta drops those in silence)."
    )
    deduplication = (
        "The same data set, event and `event_id` within 48 hours are one event. Store events are known by "
        "time, event, `item_number` and `order_id` (without an order by their match keys), within seven days."
        " The first copy wins."
    )

    def owns(self, path: str) -> bool:
        return bool(OURS.match(path))

    def knows(self, error: str) -> bool:
        return error in ERRORS or bool(NUMBERED.match(error))

    def receive(self, call: Call) -> Batch | Answer:
        if call.method == "GET" and (data_set := DATA_SET.match(call.path)):
            self.admit(call, data_set[1])
            return Answer(body={"id": data_set[1], "name": "Sandbox data set"})
        path = PATH.match(call.path)
        if path is None or call.method != "POST":
            raise Refused(self.error(call, "unknown_path"))
        self.admit(call, path[2])
        body = self.checked(call)
        return Batch(asset=path[2], test="test_event_code" in body, events=[read(event) for event in body["data"]])

    def admit(self, call: Call, pixel: str) -> None:
        token = token_of(call)
        if call.access.expired(token):
            raise Refused(self.error(call, "token_expired"))
        if not token or not call.access.good(token):
            raise Refused(self.error(call, "invalid_token"))
        if not PIXEL.match(pixel) or not call.access.exists(pixel):
            raise Refused(self.error(call, "unknown_data_set"))
        if not call.access.may(token, pixel):
            raise Refused(self.error(call, "no_permission"))

    def checked(self, call: Call) -> Any:
        json_sent = call.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"
        if call.body is NOT_JSON or not json_sent:
            raise Refused(self.refused(call, Problem("body", "not valid JSON")))
        wrong = first_problem(validator(SCHEMAS, "events"), call.body, ("data",))
        if wrong is not None and wrong.index is None:
            if wrong.field == "appsecret_proof":
                raise Refused(self.error(call, "appsecret_proof_invalid"))
            raise Refused(self.refused(call, wrong))
        events = call.body["data"]
        for index, event in enumerate(events if wrong is None else events[: wrong.index]):
            for problem in event_problems(event, call):
                raise Refused(self.refused(call, replace(problem, index=index)))
        if wrong is not None:
            raise Refused(self.refused(call, wrong))
        return call.body

    def accepted(self, call: Call, count: int) -> Answer:
        return Answer(body={"events_received": count, "messages": [], "fbtrace_id": fbtrace_id(call)})

    def refused(self, call: Call, problem: Problem) -> Answer:
        """The whole request, whichever event has the problem; ``"silent": false`` names it in ``error_data``."""
        answer = self.error(call, problem.code or "invalid_parameter")
        message = f"{problem.field}: {problem.value if call.echo else problem.rule}"
        answer.body["error"].setdefault("error_user_title", "Invalid Parameter")
        answer.body["error"]["error_user_msg"] = message
        if call.silent is False:
            place = ["data", problem.index] if problem.index is not None else []
            answer.body["error"]["error_data"] = {"blame_field_specs": [[*place, *problem.field.split(".")]]}
        return answer

    def error(self, call: Call, name: str) -> Answer:
        error = ERRORS.get(name) or by_number(name)
        body = {
            "message": error.message,
            "type": "OAuthException",
            "code": error.code,
            **({"error_subcode": error.subcode} if error.subcode else {}),
            "is_transient": error.is_transient,
            **({"error_user_title": error.title} if error.title else {}),
            "fbtrace_id": fbtrace_id(call),
        }
        headers = {"X-Business-Use-Case-Usage": USAGE} if error.code == ERRORS["business_limit"].code else {}
        code = f"{error.code}/{error.subcode}" if error.subcode else str(error.code)
        return Answer(status=error.status, body={"error": body}, headers=headers, code=code)

    def failed(self, status: int) -> Answer:
        return Answer(status=status, body=PAGE if status < 502 else None, code=str(status))

    def ids_in(self, body: Any) -> list[str]:
        return [str(event.get("event_id")) for event in body["data"]]


def by_number(name: str) -> Error:
    code, _, subcode = name.partition("/")
    return Error(int(code), int(subcode) or None)


def token_of(call: Call) -> str:
    """From the header, the query or the body: Meta takes each."""
    scheme, _, token = call.headers.get("authorization", "").partition(" ")
    body = call.body if isinstance(call.body, dict) else {}
    sent = token if scheme.lower() == "bearer" else call.query.get("access_token") or body.get("access_token")
    return sent.strip() if isinstance(sent, str) else ""


def event_problems(event: Mapping[str, Any], call: Call) -> Iterator[Problem]:
    """What a schema cannot say of an event."""
    user, custom = event["user_data"], event.get("custom_data", {})
    age = call.now.timestamp() - event["event_time"]
    if age > (MAX_AGE_IN_STORE if event["action_source"] == "physical_store" else MAX_AGE).total_seconds():
        yield Problem("event_time", "too old", code="too_old")
    if age < -MAX_AHEAD.total_seconds():
        yield Problem("event_time", "in the future", value=event["event_time"])
    if event["event_name"] == "Purchase":
        for key in ("value", "currency"):
            if key not in custom:
                yield Problem(f"custom_data.{key}", "missing on a Purchase", code=f"no_{key}")
    for key in HASHED:
        if not all(SHA256.match(one) for one in user.get(key, ())):
            yield Problem(f"user_data.{key}", "not hashed", code="not_hashed", value=user[key])
    if any(user.keys() <= too_little for too_little in TOO_LITTLE):
        yield Problem("user_data", "too little", code="too_little_information")
    yield from cookie_problems(event, user)
    yield from app_problems(event)
    options = event.get("data_processing_options")
    if options and event.get("data_processing_options_country") and not event.get("data_processing_options_state"):
        yield Problem("data_processing_options_state", "country 1 needs a state")


def cookie_problems(event: Mapping[str, Any], user: Mapping[str, Any]) -> Iterator[Problem]:
    for key in ("fbc", "fbp"):
        created = int(user[key].split(".")[2].ljust(13, "0")) if key in user else 0
        if created > event["event_time"] * 1000 + 999 + COOKIE_AHEAD:
            yield Problem(f"user_data.{key}", "created more than a minute after the event", value=user[key])


def app_problems(event: Mapping[str, Any]) -> Iterator[Problem]:
    app = event.get("app_data")
    if event["action_source"] == "app" and app is None:
        yield Problem("app_data", "missing required field", kind="missing")
    if app is not None and app["extinfo"][0] not in ("a2", "i2"):
        yield Problem("app_data.extinfo.0", "a2 or i2 expected", value=app["extinfo"][0])


def read(event: Mapping[str, Any]) -> Event:
    name, event_id = event["event_name"], event.get("event_id")
    in_store = event["action_source"] == "physical_store"
    return Event(
        name=name,
        event_id=event_id,
        payload=event,
        key=store_key(event) if in_store else (name, event_id) if event_id else None,
        window=timedelta(days=7) if in_store else None,
    )


def store_key(event: Mapping[str, Any]) -> tuple[str, ...]:
    """Store events are known by time, name and order, or by their person; never by ``event_id``."""
    custom = event.get("custom_data", {})
    order = (custom.get("item_number"), custom.get("order_id"))
    person = sorted(event["user_data"].items()) if order[1] is None else ()
    return ("store", str(event["event_time"]), event["event_name"], *map(str, order), str(person))


def fbtrace_id(call: Call) -> str:
    """``'A00000000000000000001z'``: one more with every request."""
    return f"A{call.number:020X}z"


NETWORK = Meta()
