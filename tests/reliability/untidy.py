"""Records of every kind in Singer messages, half of them untidy: always the same for one seed and one clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from conftest import SETTINGS
from run_target import record, schema, state

from target_adpostbacks.core.events import ALIASES
from target_adpostbacks.networks import NETWORKS

SEED = 18
STATE_EVERY = 97
EVENTS = [
    *ALIASES,
    "Sign Up",
    "CompletePayment",
    "AddToCart",
    "PAGE_VISIT",
    "checkout",
    "level_7_reached",
    "Ventes été",
]
FIRST = "Ada Grace José Zoë Łukasz Søren Νίκος İpek Anaïs Björn".split()
LAST = "Lovelace Hopper García Müller Żak O'Brien Παππάς Çelik Sainte-Marie Ångström".split()
PLACES = [
    ("Cluj-Napoca", "CJ", "400001", "RO"),
    ("München", "BY", "80331", "DE"),
    ("São Paulo", "SP", "01310-100", "BR"),
]
PLACES += [
    ("New York", "NY", "10001-1234", "US"),
    ("London", "England", "SW1A 1AA", "GB"),
    ("東京", "", "100-0001", "JP"),
]
PHONES = ["+1 (415) 555-0{:03}", "+49301234{:03}", "0040721000{:03}", "+44 20 7946 0{:03}", "+5511912345{:03}"]
AGENTS = [f"Mozilla/5.0 (X11; Linux x86_64; rv:1{n}.0) Gecko/20100101 Firefox/1{n}.0" for n in range(20, 45)]
CLICK_IDS = {name: (network.click_ids[0], network.click_id_example + "{:024}") for name, network in NETWORKS.items()}
BUYERS = ["Northern Ads", "Southern Ads", "nobody"]

Record = dict[str, Any]


class Source:
    """A tap that knows of so many conversions; ``now``: the clock by which they are late or early."""

    def __init__(self, now: datetime, seed: int = SEED) -> None:
        self.now = now
        self.chance = Random(seed)
        self.number = 0
        self.told: list[Record] = []  # some of those before, for what comes again or is corrected
        self.templates = [self._columns() for _ in range(40)]

    def records(self, count: int) -> Iterator[Record]:
        """Every second one is untidy in one, two or three ways."""
        for _ in range(count):
            self.number += 1
            told = self._record()
            if self.number % 2:
                for spoil in self.chance.sample(WAYS, self.chance.choice([1, 1, 1, 2, 3])):
                    spoil(told, self)
            if self.chance.random() < 0.05:
                self.told = [*self.told[-50:], dict(told)]
            yield told

    def _record(self) -> Record:
        chance, number = self.chance, self.number
        if self.told and chance.random() < 0.04:
            return self._corrected(dict(chance.choice(self.told)))
        whole = self._whole(number)
        # Most records of a stream have the same columns; the others each their own.
        kept = chance.choice(self.templates) if chance.random() < 0.7 else self._columns()
        told = {name: value for name, value in whole.items() if name in kept}
        self._for_somebody(told)
        if chance.random() < 0.2:
            told |= self._in_an_app()
        elif chance.random() < 0.1:
            told["event_source"] = chance.choice(["offline", "store", "crm", "Physical-Store", "website"])
        if chance.random() < 0.06:
            told.pop("event_id", None)
            if chance.random() < 0.5:
                told.pop("order_id", None)
        for column, values, share in SOMETIMES:
            if chance.random() < share:
                told[column] = chance.choice(values)
        return told

    def _columns(self) -> frozenset[str]:
        sometimes = [name for name in self._whole(0) if name not in ALWAYS and self.chance.random() < 0.6]
        return frozenset({*ALWAYS, *sometimes})

    def _whole(self, number: int) -> Record:
        chance = self.chance
        first, last, place = chance.choice(FIRST), chance.choice(LAST), chance.choice(PLACES)
        clicked = self.ago(hours=chance.uniform(30, 40))
        page = f"https://shop.example.com/checkout/{number}"
        return {
            "order_key": number,
            "event_name": chance.choice(EVENTS),
            "event_id": f"evt-{number}",
            "event_time": chance.choice(TIMES)(self.ago(hours=chance.uniform(1, 24))),
            "email": f"{first}.{last}.{number}@Example.com",
            "phone": chance.choice(PHONES).format(number % 1000),
            "external_id": f"user-{number % 3000}",
            "first_name": first,
            "last_name": last,
            "gender": chance.choice(["f", "m", "Female", "unknown"]),
            "date_of_birth": chance.choice(["1990-05-17", "19900517", "05/17/1990"]),
            **dict(zip(("city", "state", "postal_code", "country"), place, strict=True)),
            "ip_address": chance.choice([f"203.0.113.{number % 250}", f"2001:db8::{number % 9999:x}"]),
            "user_agent": chance.choice(AGENTS),
            "language": chance.choice(["en-US", "de", "pt_BR"]),
            "event_source_url": page,
            "referrer_url": "https://shop.example.com/cart",
            "landing_url": f"https://shop.example.com/?utm_campaign=autumn&campaign_id=c{number % 50}&ad_id=7",
            "click_time": chance.choice(TIMES)(clicked),
            "view_time": clicked.isoformat(),
            "value": round(chance.uniform(0, 500), 2),
            "currency": chance.choice(["EUR", "USD", "JPY", "gbp", "RON"]),
            "order_id": f"order-{number}",
            "contents": [self.item() for _ in range(chance.randrange(4))],
            "num_items": chance.randrange(1, 5),
            "content_type": "product",
            "search_query": "red shoes",
            "description": "Bestellung für München",
            "properties": {"plan": chance.choice(["Gold", "silver", ""]), "nested": {"depth": [1, {"two": None}]}},
            "campaign_id": str(number % 50),
            "campaign_name": "Automne à Paris",
            "ad_group_id": number % 7,
            "placement": "feed",
            "buyer": chance.choice(BUYERS),
            "customer": {"email": f"nested{number}@example.org", "id": number},
            "updated_at": self.now.isoformat(),
        }

    def ago(self, **span: float) -> datetime:
        return (self.now - timedelta(**span)).replace(microsecond=self.chance.choice([0, 0, 250_000]))

    def item(self) -> Record:
        chance = self.chance
        names = chance.choice(
            [("id", "name", "brand", "category"), ("item_id", "item_name", "item_brand", "item_category")]
        )
        values = (f"sku-{chance.randrange(500)}", "Schuhe", "Acme", "Shoes > Running")
        return {
            **dict(zip(names, values, strict=True)),
            "quantity": chance.randrange(1, 4),
            "price": chance.choice([9.99, 10, "4.50"]),
        }

    def _for_somebody(self, told: Record) -> None:
        """One network, by its name or its click id, wherever that stands; all of them; nobody."""
        chance, number = self.chance, self.number
        network = chance.choice([*NETWORKS])
        column, text = CLICK_IDS[network]
        kind = chance.randrange(12)
        if kind == 0:
            told["network"] = chance.choice(["organic", "(none)", "an affiliate", "direct"])
        elif kind == 1:
            told |= {name: each.format(number) for name, each in CLICK_IDS.values()}
        elif kind == 2:
            told |= {"network": network, "click_id": text.format(number)}
        elif kind == 3:
            told["landing_url"] = f"https://shop.example.com/?{column}={text.format(number)}&campaign_id=7"
        elif kind == 4:
            told["network"] = chance.choice([*NETWORKS[network].aliases, network.upper()])
        else:
            told |= {"network": network, column: text.format(number)}
        if kind == 5:
            told |= {"fbp": f"fb.1.1795100000000.{number}", "ttp": f"ttp{number}", "sc_cookie1": f"c{number}"}

    def _in_an_app(self) -> Record:
        platform = self.chance.choice(["ios", "Android"])
        device = f"ca4a47ca-a667-48bc-b806-{self.number:012x}"
        return {
            "event_source": "app",
            "platform": platform,
            "app_id": "com.example.shop",
            "app_version": "1.2.3",
            "os_version": "18.1",
            "advertising_id": device,
            "idfv": device,
            "att_status": "authorized",
            "device_model": "iPhone15,2",
            "carrier": "Télécom",
            "timezone": "Europe/Berlin",
            "screen_width": 1170,
            "screen_height": 2532,
        }

    def _corrected(self, before: Record) -> Record:
        kind = self.chance.choice(["retract", "restate", "again", "other"])
        if kind == "again":
            return before
        if kind == "other":
            return {**before, "value": 1.25, "first_name": "Another"}
        when = self.chance.choice([None, self.ago(minutes=30).isoformat()])
        return {**before, "adjustment": kind, "value": 12.5, "currency": "EUR", "adjustment_time": when}


ALWAYS = ("event_name", "event_id", "event_time", "order_key", "email")
TIMES: list[Callable[[datetime], Any]] = [
    datetime.isoformat,
    lambda time: f"{time:%Y-%m-%dT%H:%M:%SZ}",
    lambda time: f"{time:%Y-%m-%d %H:%M:%S}+00",
    lambda time: time.timestamp(),
    lambda time: int(time.timestamp() * 1000),
    lambda time: str(int(time.timestamp())),
    lambda time: f"{time + timedelta(hours=5, minutes=30):%Y-%m-%dT%H:%M:%S}+05:30",
]
SOMETIMES: list[tuple[str, list[Any], float]] = [
    ("consent", [True, False, "granted", "no"], 0.05),
    ("ad_user_data", ["granted", "denied", True], 0.04),
    ("ad_personalization", ["denied", True], 0.03),
    ("limited_data_use", [True, "false"], 0.03),
    ("opt_out", [True], 0.01),
    ("gpc", ["1", 0], 0.02),
    ("test", [True, "yes", False], 0.03),
    ("account", ["default", "north", "south", "west"], 0.05),
    ("_sdc_deleted_at", ["2026-01-01T00:00:00Z", None], 0.02),
    ("lead_id", ["1234567890123456"], 0.02),
    ("mobile", ["+40721000999"], 0.02),
    ("orders_before", [0, 3], 0.2),
    ("external_id", [["a-1", "b-2"], 12345], 0.05),
    ("email", [["one@example.com", "two@example.com"], '["three@example.com", "four@example.com"]'], 0.05),
    ("phone", [["+14155550100", "+493012345678"]], 0.05),
    ("address", [{"country": "DE", "city": "Köln", "sha256_first_name": "ada"}], 0.01),
]

Way = Callable[[Record, Source], None]


def sets(column: str, *values: Any) -> Way:
    """A column has one of these."""

    def spoil(told: Record, source: Source) -> None:
        told[column] = source.chance.choice(values)

    return spoil


def anywhere(*values: Any) -> Way:
    """Some column has one of these."""

    def spoil(told: Record, source: Source) -> None:
        told[source.chance.choice([*told])] = source.chance.choice(values)

    return spoil


def happens(written: str = "", **span: float) -> Way:
    """It happened so long ago."""

    def spoil(told: Record, source: Source) -> None:
        at = source.ago(**span)
        told["event_time"] = at.strftime(written) if written else at.isoformat()

    return spoil


def lacks(*columns: str) -> Way:
    def spoil(told: Record, source: Source) -> None:
        told.pop(source.chance.choice(columns), None)

    return spoil


def comes_again(told: Record, source: Source) -> None:
    told["event_id"] = f"evt-{max(1, source.number - source.chance.randrange(1, 3000))}"


def in_capitals(told: Record, source: Source) -> None:
    name = source.chance.choice([*told])
    told[name.upper()] = told.pop(name)


def as_text(told: Record, source: Source) -> None:
    name = source.chance.choice([*told])
    told[name] = json.dumps(told[name]) if isinstance(told[name], (dict, list)) else str(told[name])


def in_an_object(told: Record, source: Source) -> None:
    name = source.chance.choice([*told])
    told["user"] = {name: told.pop(name)}


def in_a_list(told: Record, source: Source) -> None:
    name = source.chance.choice([*told])
    told[name] = [told[name]]


def padded(told: Record, source: Source) -> None:
    for name, value in told.items():
        if isinstance(value, str):
            told[name] = f"\t {value}\u00a0 "


def unseen(told: Record, source: Source) -> None:
    for name in ("email", "first_name", "event_id", "ttclid", "city"):
        if isinstance(told.get(name), str):
            told[name] = f"\u200b{told[name]}\u200d\ufeff"


def deep(told: Record, source: Source) -> None:
    nest: Any = "leaf"
    for _ in range(source.chance.choice([20, 400])):
        nest = {"more": [nest]}
    told["properties"] = nest


DIGEST = "a665a45920422f9d417e4867efdc4fb8a04a1f3fff1fa07e998e86f7f7a27ae3"
WAYS: list[Way] = [
    sets("currency", "EURO", "€", "", 978, "eur "),
    sets("value", "19.99", "1,299.00", " 7 ", -5, "free", True, 10**16, float("nan"), "1_000", None, {"amount": 3}),
    lacks("currency"),
    anywhere(""),
    anywhere("   ", "\t\n"),
    anywhere(None),
    anywhere("null", "N/A", "(none)", "undefined", "None", "nan"),
    anywhere("{{campaign.id}}", "${GAID}", "%%CLICK%%", "__CLICKID__", "{ttclid}"),
    anywhere(True, False, 0),
    anywhere(2**70, float("inf"), 1e300, 1001.0, 0.1),
    anywhere({}, [], {"a": 1}, [None], ["", "x"]),
    anywhere("x" * 3000, "ü" * 501),
    anywhere("with\x00control", "line\nbreak", "\ud800", "🛍️ café"),
    comes_again,
    lacks("event_name", "event_time", "event_id"),
    sets("event_time", "yesterday", "", None, "2026-13-45T00:00:00Z", 12, "1.7e9", [], "2026-11-02", True),
    happens(days=8),
    happens(days=29),
    happens(days=120),
    happens(hours=-3),
    happens("%Y-%m-%dT%H:%M:%S", hours=50),  # without a zone
    happens("%Y-%m-%d %H:%M", hours=60),
    sets("event_name", "", "x" * 150, 5, "organic!", ["purchase"], "  Purchase "),
    sets("event_id", "x" * 600, 12345, 12345.0, "", " id ", None, "{{id}}", ["a"], "a\u2028b"),
    sets("phone", "12345", "call me", "+1", 4155550100, "0721000111", [None, "+4930123456"], DIGEST),
    sets("email", "no at", "A@B", "ada@example.com ", DIGEST.upper(), [None, ""], "ada+tag@gmail.com", "é@exämple.com"),
    sets("country", "Germany", "XX", "de", "USA", "Deutschland", DIGEST, 49),
    sets("consent", "maybe", 2, "", "denied", [True]),
    sets(
        "contents",
        "[]",
        '[{"id": "a"}]',
        {"id": "a"},
        [1],
        "no json",
        [{"colour": "red"}],
        [{"id": None, "price": "x"}],
    ),
    sets("contents", [{"id": "a", "quantity": 1.5, "price": -1}, {"item_id": 7, "id": "b", "quantity": "2"}], None),
    sets(
        "properties",
        '{"a": {"b": ""}}',
        "text",
        [],
        {"email": "x@example.com", "at": ["c@example.com"]},
        {"n": float("nan")},
    ),
    sets("event_source", "kiosk", "APP", "", "mobile app", 3),
    sets("adjustment", "undo", "Retract", "restate", ""),
    sets(
        "event_source_url", "shop.example.com", "ftp://x", "HTTPS://Shop.example.com/?email=ada@example.com", "http://"
    ),
    sets("click_time", "soon", "2020-01-01", 0),
    sets("ip_address", "999.1.1.1", "::ffff:203.0.113.9", "10.0.0.1", DIGEST, "1.2.3.4, 5.6.7.8"),
    sets("date_of_birth", "17.05.1990", "1890-01-01", "5/17/90", 19900517),
    sets("network", "", "TikTok Ads", "myspace", None, "FB", 7, "organic search"),
    sets("account", "NORTH", "", 3, "nowhere"),
    sets(
        "advertising_id", "00000000-0000-0000-0000-000000000000", "not-a-uuid", "CA4A47CA-A667-48BC-B806-42ECB2B48606"
    ),
    sets("num_items", 1.5, "3", -1, 2**40),
    sets("language", "english please", "en", "xx-YY-zz"),
    in_capitals,
    as_text,
    in_an_object,
    in_a_list,
    padded,
    unseen,
    deep,
]
"""Each makes a record untidy in one way."""

BAD_LINES: list[bytes] = [
    b"{",
    b"",
    b"   ",
    b'{"type":"RECORD","stream":"conversions"}',
    b'{"type":"RECORD","stream":"conversions","record":[]}',
    b'{"type":"GREETING"}',
    b'{"event_name":"purchase","event_id":"plain-1"}',
    b"\xff\xfe\xfa",
    b'{"type":"RECORD","stream":"conversions","record":{"event_id":"broken-1","event_name":"purch',
    b"[1, 2]",
    b"[" * 5000,
    b'{"type":"RECORD","stream":"conversions","record":{"event_name":"purchase","event_name":"lead","event_time":1}}',
    b'{"type":"ACTIVATE_VERSION","stream":"conversions","version":3}',
    b'{"type":"STATE"}',
]


MAPPED = {**schema("mapped"), "schema": {"properties": {name: {} for name in ("email", "value", "description")}}}
"""Stream maps need to know the columns that they name."""


def lines(count: int, now: datetime, folder: Path, seed: int = SEED) -> list[bytes]:
    """The messages of so many records in three streams; ``folder``: for the file of a BATCH message."""
    source = Source(now, seed)
    chance = Random(seed + 1)
    said: list[Any] = [
        schema("conversions", ["order_key"]),
        schema("orders", ["order_key", "event_id"]),
        MAPPED,
    ]
    for number, told in enumerate(source.records(count), 1):
        stream = chance.choices(["conversions", "orders", "mapped"], [8, 3, 1])[0]
        said.append(record(stream, **told))
        if chance.random() < 0.01:
            said.append(chance.choice(BAD_LINES))
        if number % STATE_EVERY == 0:
            said.append(state({"bookmarks": {"conversions": {"at": number, "ü": "é"}}}))
        if number % (count // 5) == 0:
            said.append(
                schema(chance.choice(["conversions", "orders"]), chance.choice([[], ["order_key"], ["event_id"]]))
            )
        if number == count // 3:
            path = folder / "batch.jsonl"
            path.write_text("".join(json.dumps(each) + "\n" for each in source.records(count // 50)))
            encoding = {"format": "jsonl", "compression": "none"}
            said.append({"type": "BATCH", "stream": "orders", "encoding": encoding, "manifest": [path.as_uri()]})
    said += [
        state({"bookmarks": {"conversions": {"at": count}}}),
        record("of nobody", event_id="lost-1"),
    ]  # ends the run
    return [line if isinstance(line, bytes) else _written(line, escaped=chance.random() < 0.3) for line in said]


def _written(line: Any, *, escaped: bool) -> bytes:
    """JSON as taps write it: with accents as they are or escaped; half a character is no UTF-8."""
    return json.dumps(line, ensure_ascii=escaped).encode("utf-8", "surrogatepass")


def plain_config(url: str) -> dict[str, Any]:
    """Every network with its example settings and no ceiling of requests."""
    return {name: {**settings, "base_url": url, "requests_per_second": 0} for name, settings in SETTINGS.items()}


def full_config(url: str) -> dict[str, Any]:
    """Several accounts, rules, fields, defaults, windows, what may leave, stream maps."""
    sections = plain_config(url)
    sections["tiktok"] |= {
        "accounts": {
            "north": {
                "pixel_code": "AAAAAAAAAAAAAAAAAAAA",
                "tiktok_app_id": "7012345678901234001",
                "offline_event_set_id": "7012345678901234002",
                "requests_per_second": 50,
            },
            "south": {
                "pixel_code": "BBBBBBBBBBBBBBBBBBBB",
                "tiktok_app_id": "7012345678901234003",
                "offline_event_set_id": "7012345678901234004",
                "match_keys": ["email", "ttclid", "phone"],
            },
        },
        "rules": [
            {"when": "buyer == 'Northern Ads'", "account": "north"},
            {"name": "cheap", "when": "value and value < 5", "send": False},
            {"name": "gold", "when": "properties.plan == 'Gold'", "set": {"value": 10, "currency": "EUR"}},
        ],
    }
    sections["meta"] |= {
        "proxy": True,
        "accounts": {"default": {}, "north": {"pixel_id": "123456789012346", "consent_required": True}},
        "event_map": {"level_7_reached": "LevelSeven", "contact": None},
        "ip_address": "truncate",
    }
    sections["reddit"] |= {
        "defaults": {"currency": "USD", "value": 3},
        "trigger_events": ["purchase", "lead", "sign_up"],
    }
    sections["snapchat"] |= {"send": "all", "max_event_age_days": 3}
    sections["google_ads"] |= {
        "api": "google_ads",
        "default_conversion_action": "111222333",
        "default_phone_country_code": "40",
    }
    sections["pinterest"] |= {
        "rules": [{"when": "orders_before and orders_before > 0", "event": "custom", "compute": {"value": "value * 2"}}]
    }
    general: Mapping[str, Any] = {
        "fields": {"event_time": ["event_time", "converted_at"], "email": ["email", "customer.email"]},
        "default_timezone": "Europe/Berlin",
        "attribution_window_days": 28,
        "rules": [{"when": "event_name == 'page_view' and not email", "send": False}],
        "stream_maps": {"mapped": {"email": "email.lower()", "description": "None", "plan": "'gold' if value else ''"}},
        "fail_above_invalid_percent": None,
    }
    return {**sections, **general}
