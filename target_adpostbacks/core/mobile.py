"""The facts of an app and its device, in the form that Meta defined and Snapchat uses too."""

from __future__ import annotations

from target_adpostbacks.core import match_keys as keys
from target_adpostbacks.core.conversion import Conversion

IOS, ANDROID = "i2", "a2"
PLATFORMS = {"ios": IOS, "ipados": IOS, "iphone": IOS, "ipad": IOS, "android": ANDROID}

DEVICE_PROPERTIES = frozenset(
    "short_version app_version os_version device_model timezone timezone_abbreviation carrier screen_width "
    "screen_height screen_density cpu_cores storage_gb free_storage_gb".split()
)
"""Members of ``properties`` that ``extinfo`` reads where there is no column, or the column is empty."""

AUTHORIZED, REFUSED = frozenset({"authorized", "3", "true"}), frozenset({"denied", "2", "restricted", "1", "false"})
"""Values of ``att_status``, in upper or lower case: Apple's names and numbers, or a flag."""


def version(c: Conversion) -> str | None:
    """The first entry of ``extinfo``: ``'i2'`` on iOS, ``'a2'`` on Android, None where the platform is neither."""
    return PLATFORMS.get(c.platform or "")


def extinfo(c: Conversion, version: str, package: str | None) -> list[str]:
    """Exactly sixteen texts in their order, ``''`` for what is not known; with another count the event vanishes.

    https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/app-data
    """
    short_zone, zone = _zones(c)
    return [
        version,
        package or "",
        _fact(c, None, "short_version"),
        _fact(c, c.app_version, "app_version"),
        _fact(c, c.os_version, "os_version"),
        _fact(c, c.device_model, "device_model"),
        (c.language or "").replace("-", "_"),
        short_zone,
        _fact(c, c.carrier, "carrier"),
        _fact(c, c.screen_width, "screen_width"),
        _fact(c, c.screen_height, "screen_height"),
        _fact(c, None, "screen_density"),
        _fact(c, None, "cpu_cores"),
        _fact(c, None, "storage_gb"),
        _fact(c, None, "free_storage_gb"),
        zone,
    ]


def _fact(c: Conversion, column: str | int | None, name: str) -> str:
    fact = c.properties.get(name) if column is None else column
    return str(fact) if isinstance(fact, (str, int, float)) and not isinstance(fact, bool) else ""


def _zones(c: Conversion) -> tuple[str, str]:
    """The time zone's abbreviation and its name: ``('PST', '')``, ``('', 'Europe/Zurich')``."""
    zone = _fact(c, c.timezone, "timezone")
    short = _fact(c, None, "timezone_abbreviation")
    return (short, zone) if "/" in zone else (short or zone, "")


def tracking_allowed(c: Conversion, version: str) -> bool:
    """What ``advertiser_tracking_enabled`` says: on iOS only with the person's consent (App Tracking Transparency),
    elsewhere unless an opt-out is known."""
    status = (c.att_status or "").lower()
    if version == IOS:
        return status in AUTHORIZED
    return not (c.opt_out or c.limited_data_use or status in REFUSED)


def idfa(c: Conversion) -> str | None:
    """The advertising id of an Apple device, as the record has it."""
    return c.idfa or (c.advertising_id if c.platform == "ios" else None)


def gaid(c: Conversion) -> str | None:
    """The advertising id of an Android device, as the record has it."""
    return c.gaid or (c.advertising_id if c.platform == "android" else None)


def advertising_id(c: Conversion, version: str | None) -> str | None:
    """The device's advertising id as it is written: the platform's own column, then the general one."""
    for raw in (c.idfa, c.advertising_id) if version == IOS else (c.gaid, c.advertising_id, c.idfa):
        if raw and (identifier := keys.advertising_id(raw)):
            return identifier
    return None
