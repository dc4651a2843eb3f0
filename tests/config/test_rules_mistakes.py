"""Mistakes in rules, defaults and presets: each with its place, the rule and the next step, and never a value."""

from __future__ import annotations

from typing import Any

import pytest
from configs import config, mistakes

from target_adpostbacks.config import described
from target_adpostbacks.config.rules import Place, RuleSettings, preset_level, read_rules
from target_adpostbacks.config.values import merged, read_level
from target_adpostbacks.networks.tiktok import TikTokSettings
from target_adpostbacks.rules import presets

RULES = (
    "Your own rules: what is not sent, or sent under another name, to other accounts or with other values."
    " docs/rules.md says how to write them."
)
PERSONAL = (
    "made of a column of the person, but it is stored or sent as it is; take a column that identifies no person, or"
    " ask for it in `when`"
)
COMPUTED = "[ ] holds an expression, which could lead to a column of the person; write the member's name or number"
KEPT_BACK = "which match_keys or ip_address keeps back; take another column"
ONCE = "only at the top of the config, since it is read once for all networks"
ELSEWHERE = "only in the rules of a network's section, for it names the section's accounts"
COLUMNS = "it brings columns, and a record is read once for all networks; set it at the top of the config"
DESCRIPTIONS = {name: schema["description"] for name, schema in described(RuleSettings).items()}
ACCOUNTS: dict[str, Any] = {"europe": {}, "us": {}}


def mistakes_of_rule(rule: Any, **settings: Any) -> list[str]:
    """What is wrong with the only rule of TikTok's section, without its place."""
    raw = config(rules=[rule], allow_same_asset=True, **settings)
    return [mistake.removeprefix("tiktok.rules[0]") for mistake in mistakes(raw)]


@pytest.mark.parametrize(
    ("rule", "mistake"),
    [
        ("canary", ": an object expected, with the keys of docs/rules.md"),
        (None, ": an object expected, with the keys of docs/rules.md"),
        ({}, ": empty; docs/rules.md has the keys of a rule"),
        *(
            ({"send": True, key: blank}, f".{key}: empty; give it a value, or leave it out")
            for key in ("name", "when", "event", "account", "set", "compute")
            for blank in ("", "  ", None)
        ),
        ({"canary": 1}, ".canary: no such key of a rule; there are account, compute, event, name, send, set, when"),
        ({"whn": "True"}, ".whn: no such key of a rule; did you mean when?"),
        (
            {"name": 5.5},
            ".name: text expected",
        ),
        ({"name": "x" * 101}, ".name: longer than 100 characters; shorten it"),
        ({"when": 5.5}, ".when: text expected"),
        ({"when": "value >"}, ".when: not an expression; docs/rules.md has examples"),
        ({"when": "_x"}, ".when: character 1: a name may not begin with _"),
        (
            {"send": "maybe"},
            ".send: true or false expected",
        ),
        ({"when": "9**9**9"}, ".when: character 1: fails for every record, TooLarge; correct this part"),
        ({"send": False, "event": "x"}, ".send: false leaves nothing to do for event; take it out"),
        (
            {"send": False, "account": "us", "set": {"value": 1}},
            ".send: false leaves nothing to do for account, set; take them out",
        ),
        (
            {"event": ["x"]},
            ".event: text expected",
        ),
        ({"event": "x" * 101}, ".event: longer than 100 characters; shorten it"),
        ({"account": "europ"}, ".account: no such account in this section; did you mean europe?"),
        ({"account": ["us", "canary"]}, ".account: no such account in this section; there are europe, us"),
        ({"account": []}, ".account: empty; a name expected, or a list of names"),
        ({"account": 5.5}, ".account: text expected"),
        (
            {"set": "x"},
            ".set: an object expected",
        ),
        ({"set": {"valu": 1}}, ".set.valu: no such column; did you mean value?"),
        ({"set": {"zzz": 1}}, ".set.zzz: no such column; docs/record.md lists them"),
        ({"set": {"mobile": "x"}}, ".set.mobile: another name of a column; write phone"),
        ({"compute": {"mobile": "x"}}, ".compute.mobile: another name of a column; write phone"),
        ({"set": {"event_name": "x"}}, ".set.event_name: `event` names the event"),
        ({"set": {"network": "x"}}, ".set.network: no rule changes it"),
        ({"set": {"account": "eu"}}, ".set.account: no rule changes it; `account` picks an account"),
        ({"set": {"test": True}}, ".set.test: no rule changes it"),
        ({"set": {"currency": "canary"}}, ".set.currency: not an ISO 4217 code"),
        ({"set": {"value": -1}}, ".set.value: not a number from 0 to 10^15"),
        ({"set": {"event_source": "canary"}}, ".set.event_source: web, app, offline or crm expected"),
        ({"set": {"email": {"canary": 1}}}, ".set.email: text expected"),
        ({"set": {"ttclid": ["canary"]}}, ".set.ttclid: text expected"),
        ({"set": {"properties": ["canary"]}}, ".set.properties: an object expected"),
        ({"set": {"description": " "}}, ".set.description: empty; a value expected"),
        ({"set": {"event_time": None}}, ".set.event_time: a conversion always has one"),
        ({"set": {"country": "canary"}}, ".set.country: not an ISO 3166 country"),
        *(
            ({key: {column: f"{quote}canary{quote}"}}, f".{key}.{column}: {why}")
            for key, quote in (("set", ""), ("compute", "'"))
            for column, why in (
                ("country", "not an ISO 3166 country"),
                ("ip_address", "not a public IP address"),
                ("gender", "not m, male, f or female"),
                ("phone", "not a phone number with its country code"),
                ("email", "not an e-mail address"),
                ("currency", "not an ISO 4217 code"),
            )
        ),
        ({"compute": {"value": "1e999"}}, ".compute.value: not a number from 0 to 10^15"),
        ({"compute": {"value": "float('nan')"}}, ".compute.value: not a number from 0 to 10^15"),
        ({"compute": {"event_id": "None"}}, ".compute.event_id: empty; it identifies the conversion"),
        ({"compute": {"event_id": "' '"}}, ".compute.event_id: empty; a value expected"),
        ({"compute": ["x"]}, ".compute: an object expected"),
        ({"compute": {"value": 5}}, ".compute.value: text expected"),
        ({"compute": {"value": {"a": "1"}}}, ".compute.value: an expression expected"),
        (
            {"compute": {"value": "canary("}},
            ".compute.value: not an expression; docs/rules.md has examples",
        ),
        ({"compute": {"valu": "1"}}, ".compute.valu: no such column; did you mean value?"),
        ({"compute": {"account": "'eu'"}}, ".compute.account: no rule changes it; `account` picks an account"),
        (
            {"compute": {"properties": "x"}},
            ".compute.properties: an object of properties and their expressions expected",
        ),
        (
            {"compute": {"properties": {"p": "canary."}}},
            ".compute.properties.p: not an expression; docs/rules.md has examples",
        ),
        (
            {"set": {"value": 1}, "compute": {"value": "2"}},
            ".set.value: `compute` gives it a value, too; keep one of them",
        ),
        ({"compute": {"event_id": "email"}}, f".compute.event_id: {PERSONAL}"),
        ({"compute": {"event_id": "'a' + sha256(phone)"}}, f".compute.event_id: {PERSONAL}"),
        ({"compute": {"order_id": "first_name + str(value)"}}, f".compute.order_id: {PERSONAL}"),
        ({"compute": {"order_id": "mobile"}}, f".compute.order_id: {PERSONAL}"),
        (
            {"compute": {"landing_url": "'https://example.com/?campaign_id=' + email"}},
            f".compute.landing_url: {PERSONAL}",
        ),
        ({"compute": {"campaign_name": "user.email"}}, f".compute.campaign_name: {PERSONAL}"),
        ({"name": "a\nb"}, ".name: one line of printable characters expected"),
        ({"event": "a\x00b"}, ".event: one line of printable characters expected"),
        ({"compute": {"event_id": "order_id if mail else 'x'"}}, f".compute.event_id: {PERSONAL}"),
    ],
)
def test_a_mistake_in_a_rule_says_where_and_what_to_do(rule: Any, mistake: str) -> None:
    (said,) = mistakes_of_rule(rule, accounts=ACCOUNTS) if "mail " not in str(rule) else mapped(rule)
    description = DESCRIPTIONS.get(mistake.split(".")[1].partition(":")[0], "") if mistake.startswith(".") else ""
    assert said in (mistake, f"{mistake}. {description}")
    assert "canary" not in said.removeprefix(".canary")


def mapped(rule: Any) -> list[str]:
    """The mistakes where ``mail`` is mapped to the e-mail address."""
    raw = {"fields": {"email": ["mail", "customer.mail"]}, **config(rules=[rule])}
    return [mistake.removeprefix("tiktok.rules[0]") for mistake in mistakes(raw)]


def test_an_id_may_be_computed_from_what_identifies_no_person() -> None:
    from target_adpostbacks.config import read

    allowed = {"event_id": "'launch-' + sha256(external_id)", "value": "20 if email else 10", "external_id": "email"}
    assert read(config(rules=[{"compute": allowed}]))


def test_a_rule_for_accounts_that_are_switched_off_is_a_mistake_while_others_are_on() -> None:
    off = {"enabled": False, "pixel_code": "B" * 20}
    said = (
        "tiktok.rules[0].account: enabled: false switches off each account that it names, and no other would get the"
        " conversion; name one that is enabled, or set send: false"
    )
    for named in ("off", ["off", "away"]):
        rules = [{"account": named}, {"account": ["on", "off"]}]
        assert mistakes(config(rules=rules, accounts={"on": {}, "off": off, "away": off})) == [said]
    from target_adpostbacks.config import read

    assert read(config(rules=[{"account": "off"}], accounts={"off": off, "away": off}))
    assert read(config(rules=[{"account": "default"}], enabled=False))


@pytest.mark.parametrize("target", ["event_id", "ttclid", "epik", "app_name", "os_version", "event_source_url", "p"])
@pytest.mark.parametrize(
    "expression",
    [
        *("EMAIL", "PHONE", "Mobile", "user.Email", "user['EMAIL']", "customer_email", "hashed_email", "full_name"),
        *("email.split('@')", "sha256(email)[0:32]", "md5(ip_address)", "[1, email][1]", "user[0].phone", "IP"),
        *("'a' if city else 'b'", "('x' or user).email", "postal_code", "language + 'x'", "mail", "shop.contact.mail"),
        *("shop.contact", "shop.split(',')[0]", "str(DOB)", "idfa"),
    ],
)
def test_nothing_of_the_person_is_computed_into_what_is_none_of_hers(target: str, expression: str) -> None:
    compute = {"properties": {target: expression}} if target == "p" else {target: expression}
    path = "properties.p" if target == "p" else target
    for listed in (None, ["ttclid", "epik"], ["email"]):
        raw = {"fields": {"email": ["mail", "shop.contact.mail"]}, **config(rules=[{"compute": compute}])}
        raw["match_keys"] = listed
        assert mistakes(raw) == [f"tiktok.rules[0].compute.{path}: {PERSONAL}"]


@pytest.mark.parametrize("target", ["event_id", "description", "value", "external_id", "ttclid"])
@pytest.mark.parametrize("expression", ["user['em' + 'ail']", "user[key]", "str(user.a[key].b)"])
def test_no_member_is_computed(target: str, expression: str) -> None:
    assert mistakes_of_rule({"compute": {target: expression}}) == [f".compute.{target}: {COMPUTED}"]


@pytest.mark.parametrize(
    ("compute", "settings", "kept"),
    [
        ({"external_id": "email"}, {"match_keys": ["external_id"]}, "email"),
        ({"external_id": "Customer_Email"}, {"match_keys": ["external_id"]}, "email"),
        ({"external_id": "full_name"}, {"match_keys": ["external_id", "last_name"]}, "first_name"),
        ({"external_id": "ip_address"}, {"ip_address": "drop"}, "ip_address"),
        ({"user_agent": "client_ip_address"}, {"ip_address": "truncate"}, "ip_address"),
        ({"event_id": "'a' + external_id"}, {"match_keys": ["email"]}, "external_id"),
        ({"order_id": "lead_id"}, {"match_keys": ["email"]}, "lead_id"),
        ({"fbc": "'fb.1.' + FBCLID"}, {"match_keys": ["fbc"]}, "fbclid"),
        ({"properties": {"c": "gclid"}}, {"match_keys": ["email"]}, "gclid"),
        ({"external_id": "properties.anon_id"}, {"match_keys": ["external_id"]}, "properties.anon_id"),
    ],
)
def test_a_column_is_computed_from_another_only_where_that_may_leave(
    compute: dict[str, Any], settings: dict[str, Any], kept: str
) -> None:
    from target_adpostbacks.config import read

    ((column, inner),) = compute.items()
    path = f"{column}.c" if isinstance(inner, dict) else column
    said = [f"rules[0].compute.{path}: made of {kept}, {KEPT_BACK}"]
    assert mistakes({**config(**settings), "rules": [{"compute": compute}]}) == said
    assert read({**config(), "rules": [{"compute": compute}]})
    if "match_keys" in settings:
        settings["match_keys"].append(kept)
        assert read({**config(**settings), "rules": [{"compute": compute}]})


@pytest.mark.parametrize(
    "compute",
    [
        {"event_id": "'launch-' + sha256(external_id)"},
        {"event_id": "sha256('salt' + str(user.external_id))"},
        {"value": "20 if email else 10", "currency": "'EUR' if country == 'DE' else 'USD'"},
        {"email": "email.lower()", "first_name": "full_name.split(' ')[0]", "city": "address.split(',')[1]"},
        {"email": "user.Email if country != 'DE' else None", "phone": "'+49' + telephone"},
        {"description": "plan[0:3] + contents[0].name + [1, 2][num_items] + items[-1].id"},
        {"order_id": "order_id or ttclid"},
    ],
)
def test_what_stays_with_the_person_or_says_nothing_may_be_computed(compute: dict[str, str]) -> None:
    from target_adpostbacks.config import read

    listed = ["ttclid", "email", "first_name", "city", "phone"]
    assert read(config(rules=[{"compute": compute}], match_keys=listed))


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (config(rules={}), [f"tiktok.rules: a list expected. {RULES}"]),
        (config(rules="x"), [f"tiktok.rules: a list expected. {RULES}"]),
        (
            {**config(), "rules": [{"account": "default"}]},
            [f"rules[0].account: {ELSEWHERE}"],
        ),
        (
            config(accounts={"eu": {"rules": [{"account": "eu"}]}}),
            [f"tiktok.accounts.eu.rules[0].account: {ELSEWHERE}"],
        ),
        ({**config(), "defaults": {"zzz": 1}}, ["defaults.zzz: no such column; docs/record.md lists them"]),
        ({**config(), "defaults": {"mobile": "x"}}, ["defaults.mobile: another name of a column; write phone"]),
        ({**config(), "fields": {"mobile": "x"}}, ["fields.mobile: another name of a column; write phone"]),
        ({**config(), "fields": {"zzz": "x"}}, ["fields.zzz: no such column; docs/record.md lists them"]),
        ({**config(), "defaults": {"curency": "EUR"}}, ["defaults.curency: no such column; did you mean currency?"]),
        ({**config(), "defaults": {"currency": "canary"}}, ["defaults.currency: not an ISO 4217 code"]),
        ({**config(), "defaults": {"event_time": "canary"}}, None),
        (
            {**config(), "defaults": {"network": "canary"}},
            ["defaults.network: no such network in this config; there are tiktok"],
        ),
        (
            {**config(), "defaults": {"network": "reddit"}},
            ["defaults.network: no such network in this config; there are tiktok"],
        ),
        ({**config(), "defaults": {"account": "canary"}}, ["defaults.account: no such account; there are default"]),
        (
            {**config(accounts={"eu": {"enabled": False}}), "defaults": {"account": "canary", "network": "tiktok_ads"}},
            ["defaults.account: no such account; there are eu"],
        ),
        ({**config(), "defaults": {"ip_address": "canary"}}, ["defaults.ip_address: not a public IP address"]),
        ({**config(), "defaults": {"email": ["canary"]}}, ["defaults.email: not an e-mail address"]),
        *(
            (config(defaults={column: "canary"}), [f"tiktok.defaults.{column}: {ONCE}"])
            for column in ("event_name", "event_id", "event_time", "network", "account")
        ),
        (config(accounts={"eu": {"defaults": {"network": "x"}}}), [f"tiktok.accounts.eu.defaults.network: {ONCE}"]),
        (
            config(preset="canary"),
            ["tiktok.preset: no such preset; there are appsprint, datalyr, immutable, pingtree"],
        ),
        (
            config(preset="pingtree"),
            [f"tiktok.preset: {COLUMNS}"],
        ),
        ({**config(), "preset": ["canary"]}, None),
    ],
)
def test_a_mistake_beside_the_rules_says_where_and_what_to_do(raw: dict[str, Any], said: list[str] | None) -> None:
    told = mistakes(raw)
    assert said is None or told == said
    assert len(told) == 1
    assert "canary" not in told[0]


def test_a_default_network_may_have_any_of_its_names_or_that_of_none() -> None:
    from target_adpostbacks.config import read

    for name in ("TikTok", "tiktok_ads", "organic"):
        assert read({**config(), "defaults": {"network": name, "account": "default"}})


def test_a_default_network_is_checked_beside_other_mistakes() -> None:
    told = mistakes({**config(send="canary"), "defaults": {"network": "canary"}})
    assert [mistake.partition(":")[0] for mistake in told] == ["tiktok.send", "defaults.network"]


def test_all_mistakes_of_all_places_come_at_once_and_once() -> None:
    rule = {
        "when": "(",
        "event": "x" * 101,
        "set": {"a": 1, "network": "x"},
        "compute": {"b": "1", "event_id": "email"},
    }
    accounts: dict[str, Any] = {"eu": {"rules": [rule]}, "us": {}}
    raw = {**config(rules=[{"send": True}, rule], accounts=accounts, allow_same_asset=True), "rules": [rule]}
    keys = ("event", "set.a", "set.network", "compute.b", "when", "compute.event_id")
    assert [mistake.partition(": ")[0] for mistake in mistakes(raw)] == [
        f"{place}.{key}" for place in ("rules[0]", "tiktok.rules[1]", "tiktok.accounts.eu.rules[0]") for key in keys
    ]


def test_the_presets_are_named_where_one_is_not_known() -> None:
    (mistake,) = mistakes({**config(), "preset": "x"})
    assert mistake == f"preset: no such preset; there are {', '.join(presets.names())}"


def test_what_a_preset_brings_stands_below_all_that_the_user_writes() -> None:
    settings = {"rules": [{"name": "preset's"}], "defaults": {"currency": "USD", "city": "Bern"}, "view_window_days": 1}
    told: list[str] = []
    below = preset_level(TikTokSettings, presets.ForNetwork(events={}, settings=settings), told)
    own = {"rules": [{"name": "user's"}], "defaults": {"currency": "EUR"}, "attribution_window_days": 7}
    user = read_level("tiktok.", TikTokSettings, own, told)
    read_rules(Place("tiktok."), user, told)
    values = merged(below, user).values
    assert [rule.name for rule in values["rules"]] == ["user's", "preset's"]
    assert values["defaults"] == {"currency": "EUR", "city": "Bern"}
    assert (values["attribution_window_days"], values["view_window_days"], told) == (7, 1, [])
