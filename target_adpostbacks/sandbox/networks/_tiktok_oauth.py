"""TikTok's OAuth for advertisers, and the list of their pixels."""

from collections.abc import Mapping
from typing import Any

from target_adpostbacks.sandbox.network import Answer, Call, Refused
from target_adpostbacks.sandbox.networks._tiktok_answers import SCHEMAS, error, good_token, json_body, refused, success
from target_adpostbacks.sandbox.schema import Problem, first_problem, validator

ADVERTISERS = {"7000000000000000001": "Example Games", "7000000000000000002": "Example Shop"}


def checked(call: Call, schema: str) -> dict[str, Any]:
    """The body of an OAuth endpoint, its app and secret known."""
    body: dict[str, Any] = json_body(call)
    wrong = first_problem(validator(SCHEMAS, schema), body)
    if wrong is not None:
        raise Refused(refused(call, wrong))
    check_app(call, body)
    return body


def check_app(call: Call, credentials: Mapping[str, str]) -> None:
    if any(not credentials.get(key) or "invalid" in credentials[key] for key in ("app_id", "secret")):
        raise Refused(error(call, "invalid_app"))


def access_token(call: Call) -> Answer:
    body = checked(call, "access_token")
    code = body["auth_code"]
    if code in call.access.used_codes or "invalid" in code or "expired" in code:
        raise Refused(error(call, "auth_code"))
    call.access.used_codes.add(code)
    token = f"sandbox{call.number:036x}"
    call.access.issue(token)
    advertisers = {"advertiser_ids": list(ADVERTISERS)} if body.get("return_advertiser_ids", True) else {}
    return success(call, {"access_token": token, **advertisers, "scope": [4, 13, 15]})


def revoke_token(call: Call) -> Answer:
    call.access.revoke(checked(call, "revoke_token")["access_token"])
    return success(call, {})


def advertisers(call: Call) -> Answer:
    good_token(call)
    check_app(call, call.query)
    names = [{"advertiser_id": one, "advertiser_name": name} for one, name in ADVERTISERS.items()]
    return success(call, {"list": names})


def pixel_list(call: Call) -> Answer:
    good_token(call)
    query = call.query
    if query.get("advertiser_id") not in ADVERTISERS:
        raise Refused(error(call, "no_permission", "The advertiser doesn't exist or is not yours."))
    page, size = whole(query.get("page", "1")), whole(query.get("page_size", "10"))
    for name, value, most in (("page", page, 10**6), ("page_size", size, 20)):
        if not 1 <= value <= most:
            raise Refused(refused(call, Problem(name, f"must be from 1 to {most}", value=query.get(name))))
    if query.get("order_by", "LATEST_CREATE") not in ("EARLIEST_CREATE", "LATEST_CREATE"):
        raise Refused(refused(call, Problem("order_by", "must be one of the documented values")))
    filters = {"pixel_code": "code", "pixel_id": "pixel_id", "pixel_name": "name"}
    pixels = [
        pixel
        for pixel in known_pixels(call)
        if all(query.get(parameter) in (None, pixel[field]) for field, parameter in filters.items())
    ]
    info = {"page": page, "page_size": size, "total_number": len(pixels), "total_page": -(-len(pixels) // size)}
    return success(call, {"pixels": pixels[(page - 1) * size : page * size], "page_info": info})


def known_pixels(call: Call) -> list[dict[str, str]]:
    codes = call.access.assets or ["D7VH38JC77U3LFDOLGRG", "C4QR19SBNV8A1TKMWXYZ"]
    return [
        {"pixel_id": str(7100000000000000000 + n), "pixel_code": code, "pixel_name": f"Pixel {n}"}
        for n, code in enumerate(codes, 1)
    ]


def whole(text: str) -> int:
    return int(text) if text.isdecimal() else 0
