"""Which columns are read from objects within a record, by the name of the innermost object around them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

PERSON = ("email", "phone", "external_id", "first_name", "last_name", "gender", "date_of_birth")
PLACE = ("city", "state", "postal_code", "country")
SEEN = ("language", "ip_address", "user_agent")
DEVICE = (
    *("advertising_id", "platform", "idfa", "gaid", "idfv", "att_status", "app_id", "app_name", "app_version"),
    *("os_version", "device_model", "device_brand", "carrier", "timezone", "screen_width", "screen_height"),
)
MONEY = ("value", "currency", "order_id", "contents")
OF_CONVERSION = ("network", "account", "description", "placement")

HOLDERS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("user", "user_data"), (*PERSON, *PLACE, *SEEN)),
    (("customer", "person", "contact", "traits"), (*PERSON, *SEEN)),
    (("address",), (*PLACE, "first_name", "last_name")),  # Google's object of a person's address has the names too
    (("billing_address", "shipping_address", "location", "geo"), PLACE),
    (("device", "app", "context"), (*DEVICE, *SEEN)),
    (("order", "ecommerce"), MONEY),
    (("conversion",), (*MONEY, *OF_CONVERSION)),
)
"""Names of objects, and what is read from them beside what is read from any: a state elsewhere is no place."""

RESERVED = frozenset(column for _, columns in HOLDERS for column in columns)
"""Columns that are read from the objects that are known to hold them, and from no others."""


class Holder(NamedTuple):
    """An object within a record, as far as its name says what it holds."""

    name: str  # "user"; "*": no known one, which may be a person's
    refused: frozenset[str]  # columns that are not read from it


_KNOWN = {name: Holder(name, RESERVED.difference(columns)) for names, columns in HOLDERS for name in names}
_ANY = Holder("*", RESERVED)


def holder_called(name: object) -> Holder:
    """The object of this name, in whatever case."""
    return _KNOWN.get(str(name).lower(), _ANY)


def object_of(value: Any) -> Mapping[str, Any] | None:
    """The object that a value is, alone or as the only member of a list; else None."""
    if value.__class__ is list and len(value) == 1:
        value = value[0]
    return value if value.__class__ is dict else None


def within(name: object, value: Any) -> Mapping[str, Any] | None:
    """What is searched for columns in a value, if anything is; in an address a region is the state."""
    inner = object_of(value)
    if inner and str(name).lower() == "address" and inner.get("region") and not inner.get("state"):
        return {"state": inner["region"], **inner}
    return inner
