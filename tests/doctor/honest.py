"""An honest export: what a shop that does everything right hands over."""

from __future__ import annotations

import random
import re
import string
from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from target_adpostbacks.networks import NETWORKS

FIRST = "Ada Zoë Jürgen María Chloé Łukasz O'Neil Anne-Marie Bob Ngozi Søren Aoife Ravi Mei Noor Ivan".split()
LAST = "Lovelace Müller García O'Brien Kowalski Nguyễn Smith-Jones Okafor Jensen Silva Rossi Novák Lee Khan".split()
MAIL = "gmail.com web.de icloud.com yahoo.fr proton.me gmx.net orange.fr".split()
COUNTRIES = {
    "DE": ("+49151", "EUR", "München"),
    "FR": ("+33612", "EUR", "Orléans"),
    "US": ("+1415", "USD", "Chicago"),
    "JP": ("+8190", "JPY", "Ōsaka"),
}
AGENTS = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Linux; Android 16; CUBOT X90) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
)
EVENTS = ("view_content", "add_to_cart", "purchase", "purchase", "sign_up")
LETTERS = string.ascii_letters + string.digits + "-_"
BROWSERS = ("84.128", "91.10", "81.2", "24.18", "126.3", "2003:c1", "86.193")


def honest(rows: int, now: datetime, seed: int = 1) -> Iterator[dict[str, Any]]:
    """Conversions of the last five days, of every network, the same each time."""
    chance = random.Random(seed)
    for number in range(rows):
        happened = now - timedelta(seconds=chance.uniform(60, 5 * 86_400))
        yield {
            "event_id": f"evt-{number:06d}",
            "event_time": happened.isoformat(timespec="milliseconds"),
            "click_time": (happened - timedelta(seconds=chance.uniform(5, 86_400))).isoformat(timespec="seconds"),
            "event_source_url": f"https://shop.lovelace.shop/p/{chance.randrange(500)}?utm_source=ads&q=a%20b",
            "user_agent": chance.choice(AGENTS),
            **_network(chance),
            **_person(chance, number),
            **_sale(chance, number),
        }


def _network(chance: random.Random) -> dict[str, Any]:
    name, network = chance.choice([*NETWORKS.items()])
    example = network.click_id_example
    tail = "".join(chance.choices(LETTERS, k=chance.randrange(40, 120)))
    if example.isdecimal():
        click_id = str(chance.randrange(3 * 10**18, 4 * 10**18))
    elif re.fullmatch("[0-9a-f]{32}", example):
        click_id = f"{chance.getrandbits(128):032x}"
    elif example.count("-") == 4:
        click_id = str(chance.getrandbits(128))
    else:
        click_id = example + tail
    has_click = chance.random() < 0.8 or network.click_ids == ("click_id",)  # a tracker has nothing else to match by
    return {"network": name, **({network.click_ids[0]: click_id} if has_click else {})}


def _person(chance: random.Random, number: int) -> dict[str, Any]:
    first, last, country = chance.choice(FIRST), chance.choice(LAST), chance.choice([*COUNTRIES])
    code, _, city = COUNTRIES[country]
    email = f"{last.lower()}.{number}+shop@{chance.choice(MAIL)}".encode("ascii", "ignore").decode()
    address = f"{chance.choice(BROWSERS)}.{chance.randrange(1, 255)}.{chance.randrange(1, 255)}"
    if ":" in address:
        address = f"2003:c1:{chance.getrandbits(16):x}::{chance.getrandbits(16):x}"
    phone = f"{code}{chance.randrange(20_000_000, 89_999_999)}".replace("123456789", "223456789")
    return {
        "email": email.title() if chance.random() < 0.7 else sha256(email.encode()).hexdigest(),
        "phone": phone if chance.random() < 0.4 else None,
        "first_name": first,
        "last_name": last,
        "city": city,
        "country": country,
        "ip_address": address,
        "external_id": f"{chance.getrandbits(128):032x}",
    }


def _sale(chance: random.Random, number: int) -> dict[str, Any]:
    event = chance.choice(EVENTS)
    if event == "sign_up":
        return {"event_name": event}
    currency = chance.choice([currency for _, currency, _ in COUNTRIES.values()])
    prices = [round(chance.uniform(1, 900), 2) for _ in range(chance.randrange(1, 4))]
    quantity = chance.randrange(1, 3)
    total = sum(price * quantity for price in prices)
    return {
        "event_name": event,
        "value": round(total * chance.uniform(0.7, 1.25) + 4.95, 2),
        "currency": currency,
        "order_id": f"O-{number}" if event == "purchase" else None,
        "contents": [{"id": f"sku-{price}", "quantity": quantity, "price": price} for price in prices],
    }
