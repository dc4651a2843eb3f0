"""The settings that say what the rows of a source mean, and how they describe themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

from target_adpostbacks.core.settings import doc

Paths = str | list[str] | None

Fields = Annotated[
    Mapping[str, Paths],
    doc(
        'Maps columns to your own names for them: `{"event_time": "converted_at", "email": "customer.email"}`. Of a'
        " list of names the first counts where there is something. docs/sources.md says what paths there are."
    ),
]
OnlyFields = Annotated[
    bool | None,
    doc(
        "true: no column is read but those of `fields`, click ids and consent. Default: true where there is a source,"
        " else false."
    ),
]
Values = Annotated[
    Mapping[str, Mapping[str, Any]],
    doc(
        'For a column, what its raw texts mean: `{"test": {"sandbox": true, "*": false}}`. In any case of'
        " letters; `*` stands for any text, null for a missing one."
    ),
]
Rows = Annotated[
    Sequence[Any],
    doc(
        "What a row means, by what it holds: the first of the list that fits makes the conversion, and a row that none"
        " fits is skipped, `by_rule`. docs/sources.md has the keys."
    ),
]
ValueUnit = Annotated[
    Literal["major", "minor"] | None,
    doc("`minor`: value and prices are in the currency's smallest unit, 1999 for 19.99. Default: major."),
]
MinorDigits = Annotated[
    Mapping[str, int],
    doc('With `value_unit: minor`, currencies that have other digits than ISO 4217 says: `{"ISK": 2}`.'),
]
ItemFields = Annotated[
    Mapping[str, Paths],
    doc('As `fields`, for the entries of `contents`: `{"id": ["sku", "product_id"], "name": "title"}`.'),
]
IdColumns = Annotated[
    Sequence[str],
    doc("Paths from which `event_id` is derived where there is neither it nor `order_id`, in place of the key."),
]
Deleted = Annotated[
    Paths,
    doc("Path, or a list of paths, of what says that a row was deleted: true, or a time. It is skipped, `deleted`."),
]
NotBefore = Annotated[
    str | None,
    doc(
        "A time: conversions that happened before it are skipped, `too_old`. Without it, the first run of a new source"
        " sends once more what other ways have sent, as far back as a network takes it."
    ),
]


class SourceSettings(msgspec.Struct, kw_only=True):
    """What one of ``sources`` may say."""

    extends: Annotated[
        str | None, doc("A preset, or another of `sources`, below these settings. Without one they are all there is.")
    ] = None
    streams: Annotated[
        Sequence[str],
        doc(
            "Streams that it reads where `source` names it alone, also behind a schema: `orders` is `shop-orders` too,"
            " and `!tracks` all but that."
        ),
    ] = ()
    fields: Fields = {}
    only_fields: OnlyFields = None
    values: Values = {}
    rows: Rows = ()
    value_unit: ValueUnit = None
    minor_digits: MinorDigits = {}
    item_fields: ItemFields = {}
    id_columns: IdColumns = ()
    default_timezone: Annotated[str | None, doc("Time zone of its timestamps without an offset.")] = None
    deleted: Deleted = None
    not_before: NotBefore = None
    defaults: Annotated[Mapping[str, Any], doc("Values for columns that its rows lack, before all others.")] = {}
    constants: Annotated[Mapping[str, Any], doc("Values of columns, whatever its rows say.")] = {}


class RowSettings(msgspec.Struct, kw_only=True):
    """The keys of one of ``rows``."""

    name: Annotated[str | None, doc("What the log and the ledger call it. Without a name: its place, `rows[2]`.")] = (
        None
    )
    when: Annotated[
        str | None,
        doc(
            "An expression: it fits where that is true. Names are columns as they were mapped, not read yet;"
            " `at('a.b', 'c')` is what is at the first of these paths, `total('refunds[].total')` a sum over a list."
            " Without one it always fits."
        ),
    ] = None
    send: Annotated[bool, doc("false: the row is no conversion; it is skipped, `by_rule`.")] = True
    event: Annotated[str | None, doc("The event's name. It stands in for the column.")] = None
    set: Annotated[Mapping[str, Any], doc("Columns and the values that they get. null: the column is left out.")] = {}
    compute: Annotated[
        Mapping[str, str], doc("Columns and the expressions that give them their values. None: it is missing.")
    ] = {}
    each: Annotated[
        bool, doc("true: those behind it are tried, too, and each that fits makes a conversion of its own.")
    ] = False


AT_TOP = (
    *("fields", "only_fields", "values", "rows", "value_unit", "minor_digits", "item_fields", "id_columns"),
    *("deleted", "not_before"),
)
"""Settings that may stand at the top of the config, too, for every record."""
OF_SOURCES = frozenset({"source", "sources", *AT_TOP})
"""Settings of the top that say what rows mean."""
