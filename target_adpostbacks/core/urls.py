"""What URLs say, and where they lead with another base."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote, urlsplit, urlunsplit

from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.placeholders import is_placeholder


def query_value(
    url: str | None, name: str, decode: Callable[[str], str] = unquote, *, exact: bool = False
) -> str | None:
    """The first value of a URL's query parameter that says something, decoded once. A plus stays a plus.

    ``exact``: with the white space around it.
    """
    if not url or f"{name}=" not in url:
        return None
    for pair in url.partition("#")[0].partition("?")[2].split("&"):
        key, _, value = pair.partition("=")
        if key == name:
            decoded = decode(value)
            text = decoded.strip()
            if text and not is_placeholder(text):
                return decoded if exact else text
    return None


def same_host(url: str | None, other: str | None) -> bool:
    """Whether two URLs name the same host."""
    try:
        return bool(url and other) and urlsplit(url).netloc.lower() == urlsplit(other).netloc.lower()
    except ValueError:
        return False


def at_base(base_url: str | None, default: str) -> str:
    """A URL with scheme, host and leading path of another one, if there is one."""
    if not base_url:
        return default
    base, parts = urlsplit(base_url), urlsplit(default)
    return urlunsplit((base.scheme, base.netloc, base.path.rstrip("/") + parts.path, parts.query, ""))


def has_query(c: Conversion) -> bool:
    """Whether one of a conversion's URLs may have parameters."""
    landing, page, referrer = c.landing_url, c.event_source_url, c.referrer_url
    return bool((landing and "?" in landing) or (page and "?" in page) or (referrer and "?" in referrer))


def click_urls(conversion: Conversion) -> list[str]:
    """The URLs that may hold a click id: landing page, the event's page, a referrer of the same host."""
    landing, page, referrer = conversion.landing_url, conversion.event_source_url, conversion.referrer_url
    urls = [landing] if landing and "?" in landing else []
    if page and "?" in page:
        urls.append(page)
    if referrer and "?" in referrer and same_host(referrer, page):
        urls.append(referrer)
    return urls
