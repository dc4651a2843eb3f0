"""TikTok's answers, which all of its endpoints share: errors by their name, and who may call at all."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from target_adpostbacks.sandbox.network import NOT_JSON, Answer, Call, Refused
from target_adpostbacks.sandbox.schema import Problem

SCHEMAS = Path(__file__).with_name("tiktok.json")
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


def success(call: Call, data: Mapping[str, Any]) -> Answer:
    return Answer(body={"code": 0, "message": "OK", "request_id": request_id(call), "data": data})


def refused(call: Call, problem: Problem) -> Answer:
    named = problem.index is not None and not call.silent
    where = f"data.{problem.index}.{problem.field}" if named else problem.field
    value = f" (got {problem.value!r})" if call.echo else ""
    return error(call, problem.code or "param_error", f"Invalid value for {where}: {problem.rule}{value}.")


def error(call: Call, name: str, message: str = "") -> Answer:
    code, usual = ERRORS.get(name) or by_number(int(name))
    body = call.body if isinstance(call.body, dict) else {}
    text = message or usual.format(asset=body.get("event_source_id", "unknown"))
    return Answer(body={"code": code, "message": text, "request_id": request_id(call)}, code=str(code))


def good_token(call: Call) -> str:
    """The token of a call that may go on."""
    token = call.headers.get("access-token", "").strip()
    if not token:
        raise Refused(error(call, "empty_token"))
    if call.access.expired(token):
        raise Refused(error(call, "token_expired"))
    if not call.access.good(token):
        raise Refused(error(call, "invalid_token"))
    return token


def json_body(call: Call) -> Any:
    """The body of a call that brings JSON and says so."""
    if call.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(error(call, "invalid_params", "Content-Type must be application/json."))
    if call.body is NOT_JSON:
        raise Refused(error(call, "invalid_params", "The body is not valid JSON."))
    return call.body


def request_id(call: Call) -> str:
    """``'20261120120500000000000000000000000001'``'s like: a time and twenty hex digits."""
    return f"{call.now:%Y%m%d%H%M%S}{call.number:020X}"


def by_number(code: int) -> tuple[int, str]:
    return next((error for error in ERRORS.values() if error[0] == code), (code, "Service error: please retry."))
