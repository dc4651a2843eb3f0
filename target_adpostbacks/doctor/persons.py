"""Values that are no person's: addresses of nobody, numbers without country code, machines in place of people."""

from __future__ import annotations

import ipaddress
import re
from bisect import bisect_right
from collections.abc import Iterable
from itertools import product
from typing import Any

from target_adpostbacks.core import match_keys as keys
from target_adpostbacks.core import phones
from target_adpostbacks.core.memo import remembered
from target_adpostbacks.core.network import Network
from target_adpostbacks.core.settings import PhoneSettings
from target_adpostbacks.doctor.case import Case
from target_adpostbacks.doctor.findings import Spot, finding
from target_adpostbacks.doctor.hashes import digest

RESERVED = ("example.com", "example.org", "example.net")  # RFC 2606
NOBODYS_DOMAINS = frozenset(
    (*RESERVED, "test.com", "domain.com", "yourdomain.com", "noemail.com", "nomail.com", "none.com", "fake.com")
)
NOBODYS_ENDINGS = (".test", ".example", ".invalid", ".localhost", ".local")
NOBODYS_NAMES = frozenset(
    "test test1 test123 testing tester noreply no-reply no_reply donotreply do-not-reply none null na noemail no-email "
    "nomail unknown anonymous guest asdf asd asdasd qwerty xxx fake dummy email undefined".split()
)
_PROVIDERS = ("gmail.com", "hotmail.com", "outlook.com", "yahoo.com", "mail.com", "email.com", *NOBODYS_DOMAINS)
NOBODYS_HASHES = frozenset(digest(f"{name}@{domain}") for name, domain in product(NOBODYS_NAMES, _PROVIDERS))
RELAYS = ("privaterelay.appleid.com", "mozmail.com", "members.ebay.com", "members.ebay.de", "members.ebay.co.uk")


@finding(
    "warning",
    what="The address stands for nobody: of a reserved domain, test@…, noreply@…, or the hash of one.",
    cost="It matches nobody, and a network may take all these conversions for one person's.",
    change="Leave the column empty where the address is not known.",
)
def placeholder_email(case: Case) -> Iterable[Spot]:
    return [Spot("email") for text in case.texts("email") if is_nobodys(text)][:1]


def is_nobodys(text: str) -> bool:
    """Whether an address, or its hash, is one that programs and people fill in for nothing."""
    if simple := keys.digest_of(text):
        return simple in NOBODYS_HASHES
    local, at, domain = (keys.email(text) or "").partition("@")
    if not at:
        return False
    return domain in NOBODYS_DOMAINS or domain.endswith(NOBODYS_ENDINGS) or local in NOBODYS_NAMES


@finding(
    "note",
    what="The address is an alias that a marketplace or a sign-in service made for one shop.",
    cost="No network knows the person by it.",
    change="Nothing, if other match keys stand beside it.",
)
def relay_email(case: Case) -> Iterable[Spot]:
    for text in case.texts("email"):
        domain = text.lower().rpartition("@")[2]
        if domain in RELAYS or domain.startswith("marketplace.amazon."):
            return [Spot("email")]
    return []


@finding(
    "warning",
    what="The number has no country code, neither in itself nor by the settings.",
    cost="It is left out, or is another person's number abroad. It matches nobody.",
    change="Write numbers with a plus and the country code, or set `default_phone_country_code` or"
    " `phone_country_from_record`.",
)
def phone_without_country_code(case: Case) -> Iterable[Spot]:
    numbers = [text for text in case.texts("phone") if _is_national(text, _country(case))]
    if not numbers:
        return []
    spots = [Spot("phone", network.name) for network in case.networks() if not _codes(network, case)]
    return spots or ([] if case.accounts else [Spot("phone")])


def _country(case: Case) -> str:
    country = case.conversion.country if case.conversion else None
    return country if country and len(country) == 2 else ""


def _codes(network: Network[Any], case: Case) -> tuple[str, ...]:
    settings = network.settings
    country = case.conversion.country if case.conversion else None
    return settings.country_codes(country) if isinstance(settings, PhoneSettings) else ()


@remembered(maxsize=20_000)
def _is_national(raw: str, country: str) -> bool:
    """Whether a phone number has no country code. Digits alone have one if they are a number of some country."""
    if phones.is_e164(raw) or keys.is_hash(raw):
        return False
    text = phones.legible(raw)
    digits = "".join(char for char in text or "" if char.isdecimal())
    if text is None or "+" in text or digits.startswith("00") or not 7 <= len(digits) <= 15:
        return False
    if digits.startswith("0"):
        return True
    import phonenumbers

    if country and _is_valid(digits, country):
        return not digits.startswith(str(phonenumbers.country_code_for_region(country)))
    return not _is_valid(f"+{digits}", None)


def _is_valid(text: str, region: str | None) -> bool:
    import phonenumbers

    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(text, region))
    except phonenumbers.NumberParseException:
        return False


_REPEATED = re.compile(r"(\d)\1{6,}$").search


@finding(
    "warning",
    what="The number is made up: one digit again and again, or 123456789.",
    cost="It matches nobody, or somebody else.",
    change="Leave the column empty where the number is not known.",
)
def placeholder_phone(case: Case) -> Iterable[Spot]:
    for text in case.texts("phone"):
        if keys.is_hash(text):
            continue
        digits = "".join(filter(str.isdecimal, text))
        if 7 <= len(digits) <= 15 and (_REPEATED(digits) or "123456789" in digits):
            return [Spot("phone")]
    return []


@finding(
    "warning",
    what="The IP address is private: of a local network, a loopback or a carrier.",
    cost="No network can find a person by it, so it is left out. It is a proxy's or a server's.",
    change="Take the first address of X-Forwarded-For, or what your proxy calls the client's.",
)
def private_ip(case: Case) -> Iterable[Spot]:
    for text in case.texts("ip_address"):
        if keys.is_hash(text) or keys.public_ip(text) is not None:
            continue
        if any(map(_address, _PARTS(text))):
            return [Spot("ip_address")]
    return []


_PARTS = re.compile(r"[0-9A-Fa-f:.]+").findall


def _address(text: str) -> bool:
    try:
        ipaddress.ip_address(text if text.count(":") != 1 else text.partition(":")[0])
    except ValueError:
        return False
    return True


_BLOCKS = (
    # Crawlers and clouds. People browse from there only through a VPN.
    "3.0.0.0/9 5.9.0.0/16 13.52.0.0/14 13.56.0.0/14 13.208.0.0/12 13.224.0.0/12 18.128.0.0/9 20.33.0.0/16 "
    "34.64.0.0/10 35.184.0.0/13 35.192.0.0/12 35.208.0.0/12 35.224.0.0/12 44.192.0.0/10 46.4.0.0/16 51.68.0.0/16 "
    "51.75.0.0/16 52.0.0.0/10 54.64.0.0/11 54.144.0.0/12 54.160.0.0/11 54.192.0.0/10 66.249.64.0/19 78.46.0.0/15 "
    "88.198.0.0/16 88.99.0.0/16 94.130.0.0/16 95.216.0.0/15 104.131.0.0/16 104.236.0.0/16 107.170.0.0/16 "
    "116.202.0.0/15 128.199.0.0/16 135.181.0.0/16 136.243.0.0/16 138.68.0.0/16 138.201.0.0/16 139.59.0.0/16 "
    "142.93.0.0/16 144.76.0.0/16 148.251.0.0/16 157.245.0.0/16 157.90.0.0/16 159.65.0.0/16 159.69.0.0/16 "
    "159.89.0.0/16 159.203.0.0/16 165.22.0.0/16 165.227.0.0/16 167.71.0.0/16 167.99.0.0/16 168.119.0.0/16 "
    "176.9.0.0/16 178.62.0.0/16 178.63.0.0/16 188.166.0.0/16 195.201.0.0/16 206.189.0.0/16 "
    # Proxies in front of a shop: https://www.cloudflare.com/ips-v4. 104.16.0.0/12 is left out: people's VPN is there.
    "103.21.244.0/22 103.22.200.0/22 103.31.4.0/22 108.162.192.0/18 131.0.72.0/22 141.101.64.0/18 162.158.0.0/15 "
    "172.64.0.0/13 173.245.48.0/20 188.114.96.0/20 190.93.240.0/20 197.234.240.0/22 198.41.128.0/17"
)
_RANGES = sorted(
    (int(block.network_address), int(block.broadcast_address)) for block in map(ipaddress.IPv4Network, _BLOCKS.split())
)
_STARTS = [start for start, _ in _RANGES]


@remembered(maxsize=20_000)
def _is_in_data_center(raw: str) -> bool:
    text = keys.public_ip(raw)
    if text is None or ":" in text:
        return False
    address = int(ipaddress.IPv4Address(text))
    place = bisect_right(_STARTS, address) - 1
    return place >= 0 and address <= _RANGES[place][1]


@finding(
    "note",
    what="The IP address looks like a data centre's: a cloud server, a crawler or a proxy in front of the shop.",
    cost="Few are people behind a VPN. Many are your own servers, and the networks find nobody by them.",
    change="Record the address of the browser, not of the server that answered it.",
)
def data_center_ip(case: Case) -> Iterable[Spot]:
    texts = case.texts("ip_address")
    return [Spot("ip_address") for text in texts if not keys.is_hash(text) and _is_in_data_center(text)][:1]


_BOT = re.compile(
    r"bot\b|bot[/;_-]|crawl|spider|slurp|headless|phantomjs|puppeteer|playwright|selenium|lighthouse|pingdom|uptime|"
    r"facebookexternalhit|google-(?:read|inspection|extended)|mediapartners|bingpreview|postman|insomnia|"
    r"^(?:curl|wget|python|go-http|java|ruby|php|perl|node|axios|got|undici|apache-http|guzzle|libwww|aiohttp|httpx|"
    r"scrapy|rest-client|faraday|winhttp|powershell|jakarta|k6|okhttp$)\b|python-requests|guzzlehttp|axios/",
    re.IGNORECASE,
)


@remembered(maxsize=20_000)
def _is_bot(user_agent: str) -> bool:
    return _BOT.search(user_agent[:1000]) is not None and "cubot" not in user_agent.lower()  # Cubot makes phones


@finding(
    "warning",
    what="The user agent is a program's: a crawler, a monitor, a test browser or an HTTP library.",
    cost="The networks pair it with the IP address and find nobody. A bot's conversion teaches bidding to buy bots.",
    change="Record the browser's user agent, not your server's. Leave out what bots do.",
)
def bot_user_agent(case: Case) -> Iterable[Spot]:
    return [Spot("user_agent") for text in case.texts("user_agent") if _is_bot(text)][:1]


NAMES = ("first_name", "last_name", "city", "state")
_MOJIBAKE = re.compile("[ÃÂ][\u0080-\u00bf\u0152-\u02dc\u2013-\u2122]|â€|ï¿½|\ufffd").search


@finding(
    "warning",
    what="The text was read in a wrong encoding: MÃ¼nchen in place of München.",
    cost="Its hash is another one and matches nobody.",
    change="Read the source as UTF-8 where it is loaded.",
)
def wrong_encoding(case: Case) -> Iterable[Spot]:
    return [
        Spot(column) for column in NAMES if any(not text.isascii() and _MOJIBAKE(text) for text in case.texts(column))
    ]
