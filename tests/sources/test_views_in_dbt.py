"""Rows that lack persons get them in the warehouse: the views of the dbt package, read by the sources' presets."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from dbt_project import Project
from sourced import cases, records

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.version_info >= (3, 14), reason="dbt does not run on this Python yet"),
]

ADA = {
    "email": "ada@example.com",
    "phone": "+14155550100",
    "first_name": "Ada",
    "last_name": "Lovelace",
    "country": "GB",
}
PERSONS = ("email", "phone", "first_name", "last_name", "city", "state", "postal_code", "country", "landing_url")


def a_row(source: str, *without: str, **columns: Any) -> dict[str, Any]:
    """An ordinary row of a source, as its tap gives it, without the person that a view adds."""
    row = cases(source)[0].row
    return {name: value for name, value in row.items() if name not in (*PERSONS, *without)} | columns


TABLES: dict[str, list[dict[str, Any]]] = {
    "ga4_events": [
        a_row("ga4_bigquery", user_id="customer-1"),
        a_row("ga4_bigquery", user_id="customer-2", event_bundle_sequence_id=13),
        a_row("ga4_bigquery", user_id=None, event_bundle_sequence_id=14),
        a_row("ga4_bigquery", user_id="customer-1", event_name="scroll"),
    ],
    "customers": [
        {"external_id": "customer-1", **ADA},
        {"external_id": "customer-1", **ADA, "email": "other@example.com"},
        {"external_id": None, **ADA, "email": "nobody@example.com"},
    ],
    "hubspot_deals": [
        a_row("hubspot_deals", dealId=1, associations={"associatedVids": [501, 502]}),
        a_row("hubspot_deals", dealId=2, associations={"associatedVids": []}),
    ],
    "hubspot_contacts": [
        {"id": "501", "property_email": ADA["email"], "property_phone": "", "property_mobilephone": ADA["phone"]}
        | {"property_firstname": "Ada", "property_lastname": "Lovelace", "property_country": "GB"}
        | {"property_hs_google_click_id": "Cj0abc"},
        {"id": "502", "property_email": "other@example.com"},
    ],
    "salesforce_opportunities": [a_row("salesforce_opportunities", "gclid__c", Id=f"006{name}") for name in "ABCD"],
    "salesforce_contact_roles": [
        {"Id": "1", "OpportunityId": "006A", "ContactId": "003B", "IsPrimary": False, "IsDeleted": False},
        {"Id": "2", "OpportunityId": "006A", "ContactId": "003A", "IsPrimary": True, "IsDeleted": False},
        {"Id": "3", "OpportunityId": "006C", "ContactId": "003B", "IsPrimary": True, "IsDeleted": True},
    ],
    "salesforce_contacts": [
        {"Id": "003A", "Email": ADA["email"], "MobilePhone": ADA["phone"], "FirstName": "Ada", "LastName": "Lovelace"}
        | {"MailingCountry": "GB"},
        {"Id": "003B", "Email": "other@example.com"},
    ],
    "salesforce_leads": [
        {"Id": "00QA", "Email": "lead@example.com", "ConvertedOpportunityId": "006A"},
        {"Id": "00QB", "Email": "lead@example.com", "ConvertedOpportunityId": "006B"},
        {"Id": "00QC", "Email": "unconverted@example.com", "ConvertedOpportunityId": None},
    ],
}
"""Tables of a warehouse, as loaders write them; nobody has a person but the last ones of each three."""


def loaded(project: Project) -> None:
    """The tables, and a model of the user's over each."""
    (project.folder / "models").mkdir()
    for name, rows in TABLES.items():
        columns = {column: value for row in rows for column, value in row.items() if value is not None}
        described = {column: {"type": [kind_of(value), "null"]} for column, value in columns.items()}
        numbered = [{"row_number": number, **row} for number, row in enumerate(rows)]
        schema = {"properties": {"row_number": {"type": ["integer"]}, **described}}
        first = {"type": "SCHEMA", "stream": name, "schema": schema, "key_properties": ["row_number"]}
        lines = [
            {"type": "RECORD", "stream": name, "record": {column: row.get(column) for column in schema["properties"]}}
            for row in numbered
        ]
        project.load("\n".join(map(json.dumps, [first, *lines])).encode())
        (project.folder / "models" / f"{name}.sql").write_text(f"select * from adpostbacks.{name}\n")


def kind_of(value: Any) -> str:
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string"}
    return kinds.get(type(value), "object")


def read(project: Project, view: str) -> list[dict[str, Any]]:
    """The rows of a view, objects as the text of JSON."""
    rows = project.rows(f"SELECT to_json(each) FROM adpostbacks__{view} AS each ORDER BY row_number")
    return [{name: as_loaded(value) for name, value in json.loads(row[0]).items()} for row in rows]


def as_loaded(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, (dict, list)) else value


def test_the_views_add_persons_that_the_presets_read(tmp_path: Path) -> None:
    project = Project(tmp_path)
    loaded(project)
    views = ["ga4_events", "hubspot_deals", "salesforce_opportunities"]
    said = project.dbt("build", "--select", *(f"+adpostbacks__{view}" for view in views), adpostbacks_views=views)
    assert "ERROR=0 SKIP=0" in said

    def becomes(view: str, source: str) -> list[dict[str, Any]]:
        made = [each for row in read(project, view) for each in records({"source": source}, row)]
        return [each for each in made if each.get("adjustment") != "restate"]  # which is about the same person

    def persons(made: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{name: record[name] for name in PERSONS if name in record} for record in made]

    ga4 = becomes("ga4_events", "ga4_bigquery")
    assert persons(ga4) == [ADA, {}, {}]  # and no scroll
    assert {record["event_id"] for record in ga4} == {"T-1"}
    deals = becomes("hubspot_deals", "hubspot_deals")
    assert persons(deals) == [ADA, {}]
    assert [(record["event_id"], record["value"], record.get("gclid")) for record in deals] == [
        ("1-won", 1500, "Cj0abc"),
        ("2-won", 1500, None),
    ]
    won = becomes("salesforce_opportunities", "salesforce_opportunities")
    assert persons(won) == [ADA, {"email": "lead@example.com"}, {}, {}]
    assert [record["event_id"] for record in won] == ["006A-won", "006B-won", "006C-won", "006D-won"]
