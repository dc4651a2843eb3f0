"""TikTok's OAuth for advertisers, and the list of their pixels."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from target_adpostbacks.sandbox.network import Answer, Call, Refused
from target_adpostbacks.sandbox.schema import Problem, first_problem, validator

if TYPE_CHECKING:
    from target_adpostbacks.sandbox.networks.tiktok import TikTok

SCHEMAS = Path(__file__).with_name("tiktok.json")
ADVERTISERS = {"7000000000000000001": "Example Games", "7000000000000000002": "Example Shop"}


def checked(network: "TikTok", call: Call, schema: str) -> dict[str, Any]:
    """The body of an OAuth endpoint, its app and secret known."""
    body: dict[str, Any] = network.json(call)
    wrong = first_problem(validator(SCHEMAS, schema), body)
    if wrong is not None:
        raise Refused(network.refused(call, wrong))
    app(network, call, body)
    return body


def app(network: "TikTok", call: Call, given: Mapping[str, str]) -> None:
    if any(not given.get(key) or "invalid" in given[key] for key in ("app_id", "secret")):
        raise Refused(network.error(call, "invalid_app"))


def access_token(network: "TikTok", call: Call) -> Answer:
    body = checked(network, call, "access_token")
    code = body["auth_code"]
    if code in call.access.used_codes or "invalid" in code or "expired" in code:
        raise Refused(network.error(call, "auth_code"))
    call.access.used_codes.add(code)
    token = f"sandbox{call.number:036x}"
    call.access.issue(token)
    advertisers = {"advertiser_ids": list(ADVERTISERS)} if body.get("return_advertiser_ids", True) else {}
    return network.success(call, {"access_token": token, **advertisers, "scope": [4, 13, 15]})


def revoke_token(network: "TikTok", call: Call) -> Answer:
    call.access.revoke(checked(network, call, "revoke_token")["access_token"])
    return network.success(call, {})


def advertisers(network: "TikTok", call: Call) -> Answer:
    network.token(call)
    app(network, call, call.query)
    names = [{"advertiser_id": one, "advertiser_name": name} for one, name in ADVERTISERS.items()]
    return network.success(call, {"list": names})


def pixels(network: "TikTok", call: Call) -> Answer:
    network.token(call)
    query = call.query
    if query.get("advertiser_id") not in ADVERTISERS:
        raise Refused(network.error(call, "no_permission", "The advertiser doesn't exist or is not yours."))
    page, size = whole(query.get("page", "1")), whole(query.get("page_size", "10"))
    for name, value, most in (("page", page, 10**6), ("page_size", size, 20)):
        if not 1 <= value <= most:
            raise Refused(network.refused(call, Problem(name, f"must be from 1 to {most}", value=query.get(name))))
    if query.get("order_by", "LATEST_CREATE") not in ("EARLIEST_CREATE", "LATEST_CREATE"):
        raise Refused(network.refused(call, Problem("order_by", "must be one of the documented values")))
    filters = {"pixel_code": "code", "pixel_id": "pixel_id", "pixel_name": "name"}
    found = [p for p in known_pixels(call) if all(query.get(key) in (None, p[own]) for own, key in filters.items())]
    info = {"page": page, "page_size": size, "total_number": len(found), "total_page": -(-len(found) // size)}
    return network.success(call, {"pixels": found[(page - 1) * size : page * size], "page_info": info})


def known_pixels(call: Call) -> list[dict[str, str]]:
    codes = call.access.assets or ["D7VH38JC77U3LFDOLGRG", "C4QR19SBNV8A1TKMWXYZ"]
    return [
        {"pixel_id": str(7100000000000000000 + n), "pixel_code": code, "pixel_name": f"Pixel {n}"}
        for n, code in enumerate(codes, 1)
    ]


def whole(text: str) -> int:
    return int(text) if text.isdecimal() else 0
