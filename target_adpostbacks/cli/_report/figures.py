"""What a report says, as plain lists and objects: the page shows them, and ``--format json`` writes them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from target_adpostbacks.cli._performance import Answer
from target_adpostbacks.cli._report.period import Period
from target_adpostbacks.core.advice import advice
from target_adpostbacks.core.latency import percentile
from target_adpostbacks.core.learning import Milestone, most_in
from target_adpostbacks.core.money import decimals
from target_adpostbacks.core.performance.counting import Counting
from target_adpostbacks.core.performance.rows import TOTAL, plain
from target_adpostbacks.core.postback import receiver_of_trial
from target_adpostbacks.core.reasons import REASONS, STATUSES
from target_adpostbacks.core.reconciliation import Row, as_row, summed
from target_adpostbacks.ledger import Line
from target_adpostbacks.ledger.overview import Learned, Matched, Outcome, Overview, Requests, Why
from target_adpostbacks.networks import NETWORKS

Figures = dict[str, Any]

MOST_REASONS, MOST_LEARNERS, MOST_RECONCILED, MOST_CAMPAIGNS = 100, 60, 200, 200
LEARNING_DAYS = 30
"""What networks learn from is counted for so many days, however short the report's period is."""
LONGEST = 180
"""Characters of a text that a record or a network brings."""


class Answers(NamedTuple):
    """What the ledger answers."""

    overview: Overview = Overview()
    learned: Sequence[Learned] = ()
    lines: Sequence[Line] = ()
    reconciliation: Sequence[Row] = ()  # by day, the newest last
    spend: Sequence[Answer] = ()  # by campaign, and by day; nothing where no statistics are known
    counting: Counting = Counting()


def figures(answers: Answers, healths: Sequence[Mapping[str, Any]], period: Period, now: datetime) -> Figures:
    """Everything that a report says. ``healths``: the accounts as ``adpostbacks health --format json`` has them."""
    overview = answers.overview
    return {
        "made_at": now.isoformat(timespec="milliseconds"),
        "timezone": str(period.zone),
        "from": period.days[0].isoformat(),
        "to": period.days[-1].isoformat(),
        "counts_trials": any(outcome.is_trial for outcome in overview.outcomes),
        "after_today": sum(each.conversions for each in overview.outcomes if each.day >= len(period.days)),
        "totals": [_total(status, overview.outcomes) for status in STATUSES],
        "days": [*_days(overview.outcomes, period)],
        "accounts": [*_accounts(overview.outcomes)],
        "events": [
            _short(event._asdict())
            for event in sorted(overview.events, key=lambda each: (not each.network, each.network))
        ],
        "reasons": _reasons(overview.reasons)[:MOST_REASONS],
        "latency": [*_latency(overview.requests)],
        "match_keys": [*_match_keys(overview.match_keys)],
        "performance": _performance(answers),
        "reconciliation": [_short(as_row(row)) for row in reversed(answers.reconciliation) if row.reported is not None][
            :MOST_RECONCILED
        ],
        "reconciliation_totals": [_short(as_row(each)) for each in summed(answers.reconciliation)],
        "learning": _learning(answers.learned)[:MOST_LEARNERS],
        "health": [*healths],
        "log": [_short(line._asdict()) for line in reversed(answers.lines)],
    }


def _performance(answers: Answers) -> dict[str, Any]:
    """What ads cost beside what came of them: the campaigns that cost most, and totals of all."""
    campaigns, days = answers.spend or (Answer(), Answer())
    lines = [row for row in campaigns.rows if row.network != TOTAL]
    kept = {id(row) for row in sorted(lines, key=lambda row: -(row.figures.spend or 0))[:MOST_CAMPAIGNS]}
    return {
        "conversions": [*answers.counting.conversions],
        "revenue": [*answers.counting.revenue],
        "rows": [_short(plain(row)) for row in campaigns.rows if row.network == TOTAL or id(row) in kept],
        "left_out": len(lines) - len(kept),
        "days": [plain(row) for row in days.rows if row.network != TOTAL],
        "notes": [*campaigns.warnings, *campaigns.notes],
    }


def _short(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _cut(value) if isinstance(value, str) else value for name, value in row.items()}


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _total(status: str, outcomes: Iterable[Outcome]) -> dict[str, Any]:
    of_status = [each for each in outcomes if each.status == status]
    return {"status": status, "conversions": sum(each.conversions for each in of_status), "money": _money(of_status)}


def _money(amounts: Iterable[Outcome | Why]) -> dict[str, float]:
    """By currency, those with most conversions first."""
    values: dict[str, float] = defaultdict(float)
    counts = Counter[str]()
    for each in amounts:
        if each.currency and each.value is not None:
            values[each.currency] += each.value
            counts[each.currency] += each.conversions
    return {currency: round(values[currency], decimals(currency) or None) for currency, _ in counts.most_common()}


def _days(outcomes: Iterable[Outcome], period: Period) -> Iterator[dict[str, Any]]:
    of_day: dict[int, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        of_day[outcome.day].append(outcome)
    for number, day in enumerate(period.days):
        accepted = (each for each in of_day[number] if each.status == "accepted")
        yield {"day": day.isoformat(), **_counts(of_day[number]), "accepted_money": _money(accepted)}


def _counts(outcomes: Iterable[Outcome]) -> dict[str, int]:
    counts = dict.fromkeys(STATUSES, 0)
    for each in outcomes:
        counts[each.status] += each.conversions
    return counts


def _accounts(outcomes: Iterable[Outcome]) -> Iterator[dict[str, Any]]:
    of_account: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        of_account[outcome.network, outcome.account].append(outcome)
    for (network, account), those in sorted(of_account.items(), key=lambda item: (not item[0][0], item[0])):
        accepted = (each for each in those if each.status == "accepted")
        names = {"network": _cut(network), "account": _cut(account)}
        yield {**names, **_counts(those), "accepted_money": _money(accepted)}


def _reasons(reasons: Iterable[Why]) -> list[dict[str, Any]]:
    groups: dict[tuple[str, str, str, str], list[Why]] = defaultdict(list)
    for why in reasons:
        groups[why.network, why.status, why.reason, why.code].append(why)
    rows = [_reason(those) for those in groups.values()]
    return sorted(rows, key=lambda row: (-row["conversions"], row["network"], row["status"], row["reason"]))


def _reason(those: Sequence[Why]) -> dict[str, Any]:
    first, own = those[0], REASONS.get(those[0].reason)
    facts = {"reason": first.reason, "code": first.code, "message": first.message}
    return _short(
        {
            "network": first.network,
            "status": first.status,
            **facts,
            "conversions": sum(each.conversions for each in those),
            "money": _money(those),
            "meaning": own.sentence if own else STATUSES[first.status],
            "advice": advice(NETWORKS.get(first.network), http_status=first.http_status, **facts),
        }
    )


def _latency(requests: Iterable[Requests]) -> Iterator[dict[str, Any]]:
    of_network: dict[str, list[Requests]] = defaultdict(list)
    for each in requests:
        of_network[each.network].append(each)
    for network, those in sorted(of_network.items()):
        statuses, times = Counter[str](), Counter[int]()
        for each in those:
            statuses[each.status] += each.requests
            times[each.latency_ms] += each.requests
        yield {
            "network": _cut(network),
            "requests": times.total(),
            **{name: statuses[name.capitalize()] for name in ("success", "failed", "retried")},
            **{f"p{percent}_ms": percentile(times, percent) for percent in (50, 95, 99)},
            "slowest_ms": max(times),
        }


def _match_keys(matched: Iterable[Matched]) -> Iterator[dict[str, Any]]:
    of_network: dict[str, list[Matched]] = defaultdict(list)
    for each in matched:
        of_network[each.network].append(each)
    for network, those in sorted(of_network.items()):
        keys = Counter[str]()
        for each in those:
            keys.update(dict.fromkeys(filter(None, each.match_keys.split(",")), each.conversions))
        sent = sum(each.conversions for each in those)
        yield {"network": network, "conversions": sent, "keys": {_cut(key): n for key, n in keys.most_common(20)}}


def _learning(learned: Iterable[Learned]) -> list[dict[str, Any]]:
    """A row for each asset or ad group and milestone of its network, assets first, those with most first."""
    counts: dict[tuple[str, str, str | None, Milestone, str], Counter[int]] = defaultdict(Counter)
    for each in learned:
        network = NETWORKS.get(each.network)
        for milestone in network.milestones if network and each.day < LEARNING_DAYS else ():
            if not milestone.events or each.network_event in milestone.events:
                event = "" if milestone.events else each.network_event
                counts[each.network, each.asset, each.ad_group, milestone, event][each.day] += each.conversions
    rows = [_learner(*who, [of_day[day] for day in range(LEARNING_DAYS)]) for who, of_day in counts.items()]
    return sorted(rows, key=lambda row: (row["ad_group"] is not None, -row["most"], *map(str, row.values())))


def _learner(
    network: str, asset: str, ad_group: str | None, milestone: Milestone, event: str, counts: Sequence[int]
) -> dict[str, Any]:
    most = most_in(counts, milestone.days)
    return {
        "network": network,
        "asset": _cut(receiver_of_trial(asset) or asset),
        "ad_group": ad_group and _cut(ad_group),
        "events": [_cut(event)] if event else sorted(milestone.events),
        "unlocks": milestone.unlocks,
        "needed": milestone.conversions,
        "days": milestone.days,
        "latest": sum(counts[-milestone.days :]),
        "most": most,
        "is_reached": most >= milestone.conversions,
    }
