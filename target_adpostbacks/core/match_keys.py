"""What identifies a person, normalized and hashed as ad networks want it."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256 as _sha256
from typing import Any

from target_adpostbacks.core.memo import remembered
from target_adpostbacks.core.placeholders import HASHES

_NO_ADDRESS = r"\s@<>\"(),:;\[\]\\"
_LABEL = r"[^\W_](?:(?:[^\W_]|-)*[^\W_])?"  # of a domain: letters and digits of any script, hyphens within
_ADDRESS = re.compile(rf"[^{_NO_ADDRESS}'][^{_NO_ADDRESS}]*@{_LABEL}(?:\.{_LABEL})*").fullmatch
_USUAL_ADDRESS = re.compile(r"[a-z0-9._+-]+@[a-z0-9]+(?:[.-][a-z0-9]+)*").fullmatch  # a tenth of the time
_NEITHER_LETTERS_NOR_DIGITS = re.compile(r"[^0-9A-Za-z]+")  # of ASCII
_IN_BRACKETS = re.compile(r"[^<>]*<([^<>]*)>").fullmatch
_AROUND = " \t\r\n{}\"'`´“”„‘’‚«»‹›"
_HASHED = re.compile(r"[0-9a-fA-F]{64}(?:\.(?:[A-Za-z0-9_-]{2}|[A-Za-z0-9_-]{8}))?").fullmatch
_APPENDIX = re.compile(r"\.(?:[A-Za-z0-9_-]{2}|[A-Za-z0-9_-]{8})\Z").search
_HEX32 = re.compile(r"[0-9a-fA-F]{32}").fullmatch
_ADVERTISING_ID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}").fullmatch
_NO_ID = "00000000-0000-0000-0000-000000000000"


def sha256(normalized: str | None) -> str | None:
    """Lower-case hex of SHA-256 over UTF-8; None stays None: the hash of nothing is never sent."""
    return _sha256(normalized.encode()).hexdigest() if normalized else None


def hashed(raw: str | None, normalize: Callable[..., str | None], *context: Any) -> str | None:
    """``sha256(normalize(raw, *context))``; 64 hex digits are a hash already and pass on, lower-cased.

    >>> hashed("User@Example.com", email)[:8]
    'b4c9a289'
    """
    if raw is None:
        return None
    if len(raw) >= 64 and (digest := digest_of(raw)):
        return None if digest in HASHES else digest
    normalized = normalize(raw, *context)
    return _sha256(normalized.encode()).hexdigest() if normalized else None


def each_hashed(raws: Iterable[str], normalize: Callable[..., str | None], *context: Any) -> list[str]:
    """``hashed`` of every value that can be used, in order."""
    digests = []
    for raw in raws:  # hashed(raw, normalize, *context), without the call
        if len(raw) >= 64 and (digest := digest_of(raw)):
            if digest not in HASHES:
                digests.append(digest)
        elif normalized := normalize(raw, *context):
            digests.append(_sha256(normalized.encode()).hexdigest())
    return digests


def distinct_hashed(raws: Sequence[str], normalize: Callable[..., str | None], *context: Any) -> list[str]:
    """``each_hashed`` without what comes twice, two spellings of one value for example."""
    if len(raws) == 1:
        digest = hashed(raws[0], normalize, *context)
        return [digest] if digest else []
    return [*dict.fromkeys(each_hashed(raws, normalize, *context))]


def hashed_list(raw: str | None, normalize: Callable[..., str | None], *context: Any) -> list[str]:
    """``hashed`` as the only member of a list; empty where it is None."""
    digest = hashed(raw, normalize, *context)
    return [digest] if digest else []


def remembering(normalize: Callable[..., str | None]) -> Callable[..., str | None]:
    """``hashed`` with this normalizing, for what comes again and again: names, cities, postal codes, countries.

    The last 10,000 are remembered: each time that saves 1 to 3 µs.
    """

    @remembered(maxsize=10_000)
    def hash_of(raw: str | None, *context: Any) -> str | None:
        return hashed(raw, normalize, *context)

    return hash_of


def first_hashed(raws: Iterable[str], normalize: Callable[..., str | None], *context: Any) -> str | None:
    """``hashed`` of the first value that can be used."""
    for raw in raws:
        if digest := hashed(raw, normalize, *context):
            return digest
    return None


@remembered(maxsize=256)  # asked again for each network, and where a record has several
def email(raw: str) -> str | None:
    """``' Ada.L+x@Example.com '`` -> ``'ada.l+x@example.com'``; None if it is no address.

    What programs write around an address goes: ``mailto:``, quotes, a name (``'Ada <ada@example.com>'``), a dot, comma
    or semicolon behind it, invisible characters. Full-width letters become plain ones, accents are composed (NFKC).
    """
    address = raw.strip().lower()
    if not address.isascii():
        address = _bare(visible(unicodedata.normalize("NFKC", address)))
    if _USUAL_ADDRESS(address) or _ADDRESS(address):
        return address
    address = _bare(address)
    return address if _ADDRESS(address) else None


def _bare(text: str) -> str:
    text = text.strip(_AROUND).rstrip(".,;" + _AROUND)
    if bracketed := _IN_BRACKETS(text):
        text = bracketed[1]
    text = text.strip(_AROUND)
    if text.startswith("mailto:"):
        text = text.removeprefix("mailto:").partition("?")[0]
    return text.strip(_AROUND).rstrip(".,;" + _AROUND)


def letters_and_digits(text: str) -> str:
    """``'al.ice$'`` -> ``'alice'``: those of every script, with their marks."""
    if text.isascii():
        return text if text.isalnum() else _NEITHER_LETTERS_NOR_DIGITS.sub("", text)
    return "".join(char for char in text if char.isalnum() or unicodedata.category(char)[0] == "M")


def visible(text: str, *, keep: str = "") -> str:
    """A text without invisible characters (category Cf: U+FEFF, U+200B, direction marks), and trimmed again."""
    if text.isascii():
        return text
    return "".join(char for char in text if char in keep or unicodedata.category(char) != "Cf").strip()


def trimmed(raw: str) -> str | None:
    """``' User_7 '`` -> ``'User_7'``; case kept."""
    return raw.strip() or None


def folded(raw: str) -> str | None:
    """``' User_7 '`` -> ``'user_7'``."""
    return raw.strip().lower() or None


country_hash = remembering(folded)

GENDERS = {"m": "m", "male": "m", "f": "f", "female": "f"}


def gender(raw: str) -> str | None:
    """``'Female'`` -> ``'f'``; None for anything but m, male, f, female."""
    return GENDERS.get(raw.strip().lower())


gender_hash = remembering(gender)


def idfa(raw: str) -> str | None:
    """Upper case; the all-zero id means that there is none."""
    advertising_id = raw.strip().upper()
    return advertising_id if _ADVERTISING_ID(advertising_id) and advertising_id != _NO_ID else None


def gaid(raw: str) -> str | None:
    """Lower case; the all-zero id means that there is none."""
    advertising_id = raw.strip().lower()
    return advertising_id if _ADVERTISING_ID(advertising_id) and advertising_id != _NO_ID else None


def advertising_id(raw: str) -> str | None:
    """An advertising id as it is written; None for the all-zero id and for what is none, a hash for example."""
    written = raw.strip()
    return written if _ADVERTISING_ID(written) and written != _NO_ID else None


def is_hash(raw: str) -> bool:
    """Whether a value is SHA-256 already: 64 hex digits, with or without an appendix."""
    return len(raw) >= 64 and digest_of(raw) is not None


def digest_of(raw: str) -> str | None:
    """The 64 hex digits, in lower case, of a value that is SHA-256 already; None for any other.

    What Meta's parameter builder has hashed ends with a dot and two or eight characters: ``appendix``.
    """
    return raw[:64].lower() if _HASHED(raw) else None


def appendix(raw: str) -> str:
    """What Meta's parameter builder puts behind a hash or an IP address: ``'.AQQCAQMC'``; empty where it does not."""
    ending = _APPENDIX(raw)
    return ending[0] if ending and (is_hash(raw) or public_ip(raw) == raw[: ending.start()]) else ""


def is_md5(raw: str) -> bool:
    """Whether a value may be an MD5, which some sources keep: 32 hex digits."""
    return len(raw) == 32 and _HEX32(raw) is not None


def unhashed(raw: str | None) -> str | None:
    """The value itself; None for a hash, which says nothing where the plain value is wanted."""
    return None if raw is None or is_hash(raw) else raw


@remembered(maxsize=2_000)
def public_ip(raw: str) -> str | None:
    """The first IPv4 or IPv6 address that may appear on the internet, as it was written; None where there is none.

    Read as proxies write it: a list, with ports, brackets, zones or ``for=``; an IPv4 address within IPv6 is IPv4.
    Addresses kept for documentation (203.0.113.0/24, …) pass: test data is made of them.
    """
    if _USUAL_IP(raw):
        return raw
    return next(filter(None, map(_public, _BETWEEN.split(raw))), None)


def plain_ip(raw: str) -> str | None:
    """The public address that a text is; None for one with a port, of a list, or in another of the proxies' forms."""
    return raw if public_ip(raw) == raw else None


def _public(written: str) -> str | None:
    text = written.strip("\"'")
    if text[:4].lower() == "for=":
        text = text[4:].strip("\"'")
    if text.startswith("["):
        text = text[1:].partition("]")[0].strip("\"'")
    elif text.count(":") == 1:  # a port behind an IPv4 address
        text = text.partition(":")[0]
    text = text.partition("%")[0].partition("/")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return _public(text[: ending.start()]) if (ending := _APPENDIX(text)) else None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
        text = str(address)
    documentation = any(address in network for network in _DOCUMENTATION if network.version == address.version)
    return text if documentation or (address.is_global and not address.is_multicast) else None


@remembered(maxsize=2_000)
def truncated_ip(raw: str) -> str | None:
    """``'203.0.113.77'`` -> ``'203.0.113.0'``: of the public address the first 24 bits, of IPv6 48; None without one.

    An IPv4 address within IPv6 (mapped, or 6to4, whose 48 bits would hold it whole) is IPv4.
    """
    public = public_ip(raw)
    if public is None:
        return None
    address = ipaddress.ip_address(public)
    if isinstance(address, ipaddress.IPv6Address) and address.sixtofour:
        address = address.sixtofour
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False).network_address)


_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_USUAL_IP = re.compile(
    rf"(?!(?:0|10|100|127|169|172|192|198|203)[.])(?:22[0-3]|2[01][0-9]|1[0-9][0-9]|[1-9]?[0-9])(?:[.]{_OCTET}){{3}}"
).fullmatch
"""An IPv4 address of the blocks that are public whole: it is not taken apart, which takes 7 µs."""
_BETWEEN = re.compile(r"[\s,;]+")
_DOCUMENTATION = [
    ipaddress.ip_network(block) for block in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
]
