"""Microsoft's answers: of the UET Conversions API, of OfflineConversions/Apply, and of the token endpoint."""

from collections.abc import Mapping, Sequence
from typing import Any

from target_adpostbacks.sandbox.network import Answer

TRACE_ID = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
TRACKING_ID = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"


def refusal(status: int, code: str, message: str, details: Sequence[Mapping[str, Any]] = (), **more: Any) -> Answer:
    """A refusal of the Conversions API."""
    error = {"code": code, "message": message, **({"details": [*details]} if details else {})}
    return Answer(status=status, body={"error": error, "traceId": TRACE_ID}, code=code, **more)


def partly(received: int, details: Sequence[Mapping[str, Any]]) -> Answer:
    """A success for so many events, with what is said of others; warnings alone are no refusal."""
    error = {"code": "ValidationError", "message": "One or more events failed validation.", "details": [*details]}
    code = "" if all(detail["isWarning"] for detail in details) else "ValidationError"
    return Answer(body={"eventsReceived": received, "error": error, "traceId": TRACE_ID}, code=code)


def detail(index: int, field: str, message: str, *, is_warning: bool = False, **more: Any) -> dict[str, Any]:
    told = {"index": index, "propertyName": field, "errorMessage": message, "errorCode": "InvalidValue"}
    return {**told, "isWarning": is_warning, **more}


def item_error(code: int, name: str, message: str, index: int | None = None) -> dict[str, Any]:
    """An error of an offline conversion; ``index`` None: it names none."""
    told = {"Code": code, "ErrorCode": name, "Message": message, "FieldPath": None, "Type": "BatchError"}
    return told if index is None else {"Index": index, **told}


def faulted(status: int, code: int, name: str, message: str, kind: str = "OperationErrors", **more: Any) -> Answer:
    """A refusal of a whole request by the Campaign Management API."""
    body = {kind: [{"Code": code, "ErrorCode": name, "Message": message}], "TrackingId": TRACKING_ID}
    return Answer(status=status, body=body, code=str(code), **more)


def oauth(status: int, error: str, description: str) -> Answer:
    return Answer(status=status, body={"error": error, "error_description": description}, code=error)


def bare(status: int, body: str | None = None) -> Answer:
    return Answer(status=status, body=body, code=str(status))


CAPI = {
    "bad_request": refusal(400, "BadRequest", "The request is invalid."),
    "unauthorized": refusal(401, "Unauthorized", "The token is invalid."),
    "forbidden": refusal(403, "Forbidden", "The token is not for this tag."),
    "not_found": refusal(404, "NotFound", "There is no such tag."),
    "too_large": refusal(413, "PayloadTooLarge", "The request is too large."),
    "unsupported_media_type": refusal(415, "UnsupportedMediaType", "JSON expected."),
    "unprocessable": refusal(422, "Unprocessable", "The request can't be processed."),
    "rate_limited": refusal(429, "TooManyRequests", "Too many requests.", headers={"Retry-After": "1"}),
    "internal_error": refusal(500, "InternalError", "An error occurred."),
    "first_event_warned": partly(1, [detail(0, "PageTitle", "The field was dropped.", is_warning=True)]),
    "empty_success": Answer(body={}),
}
OFFLINE = {
    "invalid_credentials": faulted(401, 105, "InvalidCredentials", "Authentication failed.", "Errors"),
    "user_not_authorized": faulted(403, 106, "UserIsNotAuthorized", "The user is not authorized."),
    "token_expired": faulted(401, 109, "AuthenticationTokenExpired", "The token has expired.", "Errors"),
    "call_rate_exceeded": faulted(429, 117, "CallRateExceeded", "The rate of calls was exceeded."),
    "concurrent_requests": faulted(429, 207, "ConcurrentRequestOverLimit", "Too many requests at once."),
    "invalid_account": faulted(400, 208, "InvalidAccount", "The account is invalid."),
    "internal_fault": faulted(500, 0, "InternalError", "An internal error occurred.", "Errors"),
    "apply_failed": faulted(400, 5612, "OfflineConversionsApplyFailed", "Try again.", "BatchErrors"),
    "pilot_not_enabled": faulted(400, 5613, "PilotNotEnabledForCustomer", "The feature is not enabled."),
}
OAUTH = {
    "invalid_request": oauth(400, "invalid_request", "AADSTS900144: The request body must contain a parameter."),
    "unsupported_grant_type": oauth(400, "unsupported_grant_type", "AADSTS70003: The grant type is not supported."),
    "invalid_scope": oauth(400, "invalid_scope", "AADSTS70011: The scope is not valid."),
    "invalid_grant": oauth(400, "invalid_grant", "AADSTS70000: The refresh token has expired or was revoked."),
    "invalid_client": oauth(401, "invalid_client", "AADSTS7000215: The client or its secret is invalid."),
}
BOTH = {
    "method_not_allowed": bare(405),
    "timeout": bare(408),
    "bad_gateway": bare(502, "<html><body>Bad Gateway</body></html>"),
    "unavailable": bare(503),
    "gateway_timeout": bare(504),
}
ERRORS = {**CAPI, **OFFLINE, **OAUTH, **BOTH}
