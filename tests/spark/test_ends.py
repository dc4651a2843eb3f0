"""How a job ends, by what its tasks report; without a cluster."""

from __future__ import annotations

import pickle

import pytest

from pyspark_adpostbacks.writing import Job, NotDelivered, Result
from target_adpostbacks.delivery.balance import Tally

OPEN = Tally(read=3, outcomes=3, accepted=1, open={"busy": 2})
REJECTED = Tally(read=3, outcomes=3, rejected=3)
INVALID = Tally(read=3, outcomes=3, skipped={"invalid": 3})
WELL = Tally(read=3, outcomes=3, accepted=3)


def end(*results: Result | None, **options: str) -> None:
    Job(options, ["event_id"], overwrite=False).end(pickle.loads(pickle.dumps([*results])))


@pytest.mark.parametrize(
    ("results", "told"),
    [
        ([Result(OPEN), Result(WELL), Result(OPEN)], "4 conversions are not delivered yet: busy 4. `adpostbacks log"),
        ([Result(REJECTED), Result(REJECTED)], "6 of 6 conversions were rejected: `adpostbacks log --status failed`"),
        (
            [Result(INVALID), Result(Tally()), Result(INVALID)],
            "6 of 6 records were invalid: `adpostbacks log --status s",
        ),
        ([Result(Tally()), Result(INVALID, 20), Result(WELL, 20)], "3 of 6 records were invalid, more than 20 %"),
    ],
)
def test_a_job_fails(results: list[Result], told: str) -> None:
    with pytest.raises(NotDelivered) as failed:
        end(*results)
    assert told in str(failed.value)


@pytest.mark.parametrize(
    "results",
    [
        [],
        [None, Result(WELL)],
        [Result(REJECTED), Result(WELL)],
        [Result(REJECTED)],  # too few to tell
        [Result(REJECTED, 100, None), Result(REJECTED, 100, None)],
    ],
)
def test_a_job_ends_well(results: list[Result | None]) -> None:
    end(*results)


def test_what_is_open_may_be_let_pass() -> None:
    end(Result(OPEN), allow_open="true")
