"""Google's answers: of the Data Manager API, of the Google Ads API, and of the token endpoint."""

from collections.abc import Mapping, Sequence
from typing import Any

from target_adpostbacks.sandbox.network import Answer

FAILURE = "type.googleapis.com/google.ads.googleads.v26.errors.GoogleAdsFailure"
STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def status(http: int, message: str, details: Sequence[Any] = (), *, word: str = "", code: str = "") -> Answer:
    word = word or STATUSES.get(http, "UNKNOWN")
    error = {"code": http, "message": message, "status": word, **({"details": [*details]} if details else {})}
    return Answer(status=http, body={"error": error}, code=code or word)


def ingest(http: int, reason: str, violations: Sequence[Mapping[str, str]] = ()) -> Answer:
    """A refusal of the Data Manager API; ``violations``: field, description and, for some, reason."""
    request = {"requestId": "t-59f8b5bc"}
    details = [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": reason,
            "domain": "datamanager.googleapis.com",
            "metadata": request,
        },
        {"@type": "type.googleapis.com/google.rpc.RequestInfo", **request},
    ]
    if violations:
        details.append({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [*violations]})
    code = next((each["reason"] for each in violations if "reason" in each), reason)
    return status(http, "There was a problem with the request.", details, code=code)


def failure(errors: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"@type": FAILURE, "requestId": "f4J_sjHfhbgNieU4pkBOqg", "errors": [*errors]}


def upload(http: int, kind: str, code: str, **more: Any) -> Answer:
    """A refusal of the Google Ads API."""
    error = {"errorCode": {kind: code}, "message": "The request was refused.", **more}
    return status(http, "Request had a problem.", [failure([error])], code=code)


def partial(errors: Sequence[Mapping[str, Any]], results: Sequence[Mapping[str, Any]]) -> Answer:
    """A success in part of the Google Ads API."""
    message = f"Multiple errors in 'details'. First error: {errors[0]['message']}"
    told = {"code": 3, "message": message, "details": [failure(errors)]}
    (code,) = errors[0]["errorCode"].values()
    return Answer(body={"partialFailureError": told, "results": [*results], "jobId": "1763640062"}, code=str(code))


def row_error(
    code: str, message: str, index: int | None, rows: str, *, kind: str = "", field: str = ""
) -> dict[str, Any]:
    """An error of one row; ``index`` None: it names none."""
    path: list[dict[str, Any]] = [] if index is None else [{"fieldName": rows, "index": index}]
    path += [{"fieldName": field}] if field and path else []
    usual = "conversionUploadError" if rows == "conversions" else "conversionAdjustmentUploadError"
    return {
        "errorCode": {kind or usual: code},
        "message": message,
        **({"location": {"fieldPathElements": path}} if path else {}),
    }


def oauth(http: int, error: str, description: str) -> Answer:
    return Answer(status=http, body={"error": error, "error_description": description}, code=error)


INGEST = {
    "invalid_argument": ingest(400, "INVALID_ARGUMENT"),
    "first_event_named": ingest(
        400,
        "INVALID_ARGUMENT",
        [
            {
                "field": "events.events[0].event_source",
                "description": "Required field is missing.",
                "reason": "REQUIRED_FIELD_MISSING",
            }
        ],
    ),
    "not_allowlisted": ingest(400, "INVALID_ARGUMENT", [{"field": "destinations[0]", "reason": "NOT_ALLOWLISTED"}]),
    "terms_not_signed": ingest(
        400, "INVALID_ARGUMENT", [{"field": "destinations[0]", "reason": "TERMS_AND_CONDITIONS_NOT_SIGNED"}]
    ),
    "unauthenticated": ingest(401, "CREDENTIALS_MISSING"),
    "permission_denied": ingest(403, "USER_PERMISSION_DENIED"),
    "scope_insufficient": ingest(403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT"),
    "service_disabled": ingest(403, "SERVICE_DISABLED"),
    "without_request_id": Answer(body={}),
}
UPLOADS = {
    "not_allowlisted_upload": partial(
        [
            row_error(
                "CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE",
                "Customer is not allow-listed for accessing this feature.",
                0,
                "conversions",
                kind="notAllowlistedError",
            )
        ],
        [{}],
    ),
    "already_exists": partial(
        [row_error("CLICK_CONVERSION_ALREADY_EXISTS", "The conversion exists already.", 0, "conversions")], [{}]
    ),
    "too_recent_event": partial([row_error("TOO_RECENT_EVENT", "The click is too recent.", 0, "conversions")], [{}]),
    "token_expired": upload(401, "authenticationError", "OAUTH_TOKEN_EXPIRED"),
    "user_permission_denied": upload(403, "authorizationError", "USER_PERMISSION_DENIED"),
    "unsupported_version": upload(404, "requestError", "UNSUPPORTED_VERSION"),
    "quota_for_a_while": upload(
        429,
        "quotaError",
        "RESOURCE_TEMPORARILY_EXHAUSTED",
        details={"quotaErrorDetails": {"retryDelay": "2s"}},
    ),
}
OAUTH = {
    "invalid_request": oauth(400, "invalid_request", "Missing required parameter."),
    "invalid_grant": oauth(400, "invalid_grant", "Token has been expired or revoked."),
    "invalid_jwt": oauth(400, "invalid_grant", "Invalid JWT Signature."),
    "invalid_scope": oauth(400, "invalid_scope", "Some requested scopes were invalid."),
    "unsupported_grant_type": oauth(400, "unsupported_grant_type", "Invalid grant_type."),
    "invalid_client": oauth(401, "invalid_client", "The OAuth client was not found."),
}
BOTH = {
    "not_found": status(404, "Requested entity was not found."),
    "method_not_allowed": status(405, "Method not allowed."),
    "timeout": Answer(status=408, code="408"),
    "aborted": status(409, "The operation was aborted."),
    "too_large": status(413, "The request is too large."),
    "resource_exhausted": status(429, "Quota exceeded."),
    "internal": status(500, "Internal error encountered."),
    "bad_gateway": Answer(status=502, body="<html><body>Bad Gateway</body></html>", code="502"),
    "unavailable": status(503, "The service is currently unavailable."),
    "deadline_exceeded": status(504, "Deadline expired."),
}
ERRORS = {**INGEST, **UPLOADS, **OAUTH, **BOTH}
