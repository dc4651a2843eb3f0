"""The settings at the top of the config, beside the networks' sections."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timezone, tzinfo
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from target_adpostbacks.config import source_settings
from target_adpostbacks.config.notify import Notify
from target_adpostbacks.core.settings import Defaults, Percentage, Preset, doc

Remembered = Annotated[int, msgspec.Meta(ge=1, le=36_500)]
Few = Annotated[int, msgspec.Meta(ge=0, le=32)]


class General(msgspec.Struct, frozen=True, kw_only=True):
    """The settings at the top of the config."""

    ledger_url: Annotated[
        str | None,
        doc(
            "Database of the ledger, a URL: `postgresql://…` or `sqlite:///…`. Default: the SQLite file"
            " `adpostbacks.db` in the Meltano project, or in the current folder; `--help` has the whole rule.",
            secret=True,
        ),
    ] = None
    source: Annotated[
        str | Mapping[str, str] | None,
        doc(
            "What the rows of your tap are: a preset of docs/sources.md, or one of `sources`. Or a map of stream names,"
            ' with `*`, to such a name or `none`: `{"*-orders": "shopify_orders"}`. Rows of other streams are skipped.'
        ),
    ] = None
    sources: Annotated[
        Mapping[str, Mapping[str, Any]],
        doc('Sources of your own, or what differs from a preset: `{"mine": {"extends": "shopify_orders"}}`.'),
    ] = {}
    fields: source_settings.Fields = {}
    only_fields: source_settings.OnlyFields = None
    values: source_settings.Values = {}
    rows: source_settings.Rows = ()
    value_unit: source_settings.ValueUnit = None
    minor_digits: source_settings.MinorDigits = {}
    item_fields: source_settings.ItemFields = {}
    id_columns: source_settings.IdColumns = ()
    deleted: source_settings.Deleted = None
    not_before: source_settings.NotBefore = None
    preset: Preset = None  # at the top, these two say how every record is read
    defaults: Defaults = {}
    default_timezone: Annotated[
        str, doc("Time zone for timestamps without an offset, for example `Europe/Berlin`. Default: UTC.")
    ] = "UTC"
    max_batch_age_seconds: Annotated[
        int, doc("How long a conversion waits for its batch to fill before it is sent. Default: 5.", ge=0, le=3600)
    ] = 5
    lock_wait_seconds: Annotated[
        int,
        doc(
            "How long conversions wait while another run on the ledger is sending to their account. Then they stay"
            " open, `busy`. Default: 30.",
            ge=0,
            le=3600,
        ),
    ] = 30
    workers: Annotated[
        Few | None,
        doc(
            "Processes that prepare conversions beside the run, once some thousand have come; 0: none. They get no"
            " secret. Default: as many as the cores that may be used, 4 at most, and none on one core; `deliver()` has"
            " none by itself.",
        ),
    ] = None
    performance: Annotated[
        Mapping[str, Any],
        doc(
            "Streams of ad statistics, each to how it is read:"
            ' `{"ad_reporting__campaign_report": {"preset": "fivetran", "currency": "USD"}}`. They go into the table'
            " `ad_performance` of the ledger. docs/spend.md lists the presets and keys."
        ),
    ] = {}
    report: Annotated[
        Mapping[str, Any],
        doc(
            'What is counted beside spend, and when: `{"conversions": ["install"], "revenue": ["purchase",'
            ' "subscribe"], "window": "30d", "by": "conversion"}`, which is the default. `by` is `conversion`'
            " or `click`: on whose day a conversion counts."
        ),
    ] = {}
    clicks: Annotated[
        Mapping[str, Any],
        doc(
            "A stream of clicks and log-ins, by which conversions without a click id get one that the person had"
            ' before: `{"stream": "ad_clicks", "window": "30d", "model": "last", "credit": "each_network", "retention":'
            ' "35d"}`; `stream` is required. Click ids are kept in the ledger in clear. Needs `erasure_key`.'
        ),
    ] = {}
    validate: Annotated[
        bool,
        doc(
            "Try every account's credentials before the first record is read, as `adpostbacks validate` does. To an"
            " account that its network refuses, nothing is sent: its conversions stay open, and the others are"
            " delivered."
        ),
    ] = False
    results_path: Annotated[
        str | None,
        doc(
            "File to which the run writes its deliveries at its end, as Singer messages (SCHEMA, RECORD, STATE)."
            " `{run_id}` in it is replaced. `/dev/fd/3` works, standard output does not."
        ),
    ] = None

    ledger_retention_days: Annotated[
        int,
        doc(
            "Days to keep request logs and delivery details; identity and status are kept for ever, or for"
            " `dedup_days`. 0: keep everything. Default: 180.",
            ge=0,
            le=36_500,
        ),
    ] = 180
    ledger_layout: Annotated[
        Literal["full", "compact"],
        doc(
            "What the ledger keeps of a conversion that was accepted: its row (`full`), or a key of 16 bytes and the"
            " day alone (`compact`), for hundreds of millions of them; its row then goes to `results_path`. A ledger"
            " has the layout that it was made with. docs/scale.md explains it. Default: full."
        ),
    ] = "full"
    dedup_days: Annotated[
        Remembered | None,
        doc(
            "Days after which a delivery that is settled is deleted whole, and could be sent again: at least as many as"
            " the oldest conversion that a network takes, and its own deduplication. Default: it is known for ever.",
        ),
    ] = None
    erasure_key: Annotated[
        str | None,
        doc(
            "Key of the digests by which `adpostbacks erase` and `suppress` know people again: at least 32 characters,"
            " kept for as long as the ledger is. `openssl rand -hex 32` makes one.",
            secret=True,
        ),
    ] = None
    erasure_index: Annotated[
        bool,
        doc(
            "true: the ledger keeps keyed digests of e-mail, phone and external id of each delivery, so that"
            " `adpostbacks erase` can tell which networks were told what. Needs `erasure_key`."
        ),
    ] = False
    suppress: Annotated[
        str | None,
        doc(
            "A CSV file of people about whom nothing is sent in this run, with the header `email`, `phone`,"
            " `external_id`, or some of them: raw or SHA-256. Needs `erasure_key`."
        ),
    ] = None
    fail_above_invalid_percent: Annotated[
        Percentage | None,
        doc(
            "A run that reads five records or more exits 1 if more than this percentage was `invalid`, or all were."
            " State is not written past one of them as long as fewer were read, or the percentage is exceeded. null:"
            " never. Default: 100, if all were.",
        ),
    ] = 100
    fail_above_rejected_percent: Annotated[
        Percentage | None,
        doc(
            "The same for `rejected` conversions: a run exits 1 if, of five or more that the networks accepted or"
            " rejected, more than this percentage was rejected, or all were. null: never. Default: 100, if all were.",
        ),
    ] = 100
    notify: Annotated[
        Notify | None,
        doc(
            "Calls a webhook at the end of a run that finds credentials refused, too much rejected or too much money"
            " open: `url` and `on`. docs/alerts.md explains it. Default: nobody is told."
        ),
    ] = None

    @property
    def details_days(self) -> int:
        """How long the ledger keeps what a delivery was; 0: for good."""
        return min(filter(None, (self.ledger_retention_days, self.dedup_days)), default=0)

    @property
    def zone(self) -> tzinfo:
        return timezone.utc if self.default_timezone == "UTC" else ZoneInfo(self.default_timezone)


def is_zone(name: str) -> bool:
    """Whether it is the name of a time zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


class SdkSettings(msgspec.Struct):
    """Settings that the SDK describes and reads."""

    stream_maps: dict[str, Any] | None = None
    stream_map_config: dict[str, Any] | None = None
    faker_config: dict[str, Any] | None = None
    flattening_enabled: bool | None = None
    flattening_max_depth: Annotated[int, msgspec.Meta(ge=0)] | None = None
    flattening_max_key_length: Annotated[int, msgspec.Meta(ge=0)] | None = None
    flattening_separator: str | None = None
    batch_config: dict[str, Any] | None = None
    batch_size_rows: Annotated[int, msgspec.Meta(ge=1)] | None = None


class TapSettings(SdkSettings):
    """The settings of tap-adpostbacks."""

    ledger_url: str | None = None
