"""An answer comes back from another process as it was, whatever its postbacks share."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
from conftest import NOW, a_conversion, an_account
from hypothesis import given
from hypothesis import strategies as st

from target_adpostbacks.core.postback import Postback, prepare
from target_adpostbacks.core.prepared import Prepared
from target_adpostbacks.workers.columns import columns_of
from target_adpostbacks.workers.work import Answer, Each, packed, unpacked

ONE = prepare(an_account(), a_conversion(), NOW)


def changed(event_id: str, line: int, values: tuple[Any, ...]) -> Postback:
    envelope, value, deadline, note, other_ids, events = values
    return msgspec.structs.replace(
        ONE,
        key=ONE.key._replace(event_id=event_id),
        facts=ONE.facts._replace(line=line, value=value, currency=value and "USD"),
        envelope=envelope,
        deadline=ONE.deadline + timedelta(microseconds=deadline),
        note=note,
        other_keys=tuple(ONE.key._replace(event_id=each) for each in other_ids),
        events=events,
    )


MEMBERS = st.lists(
    st.none()
    | st.builds(
        changed,
        st.sampled_from(["evt-1", "evt-2", "é"]),
        st.integers(1, 1 << 40),
        st.tuples(
            st.sampled_from([{}, {"test_event_code": "TEST1"}]),
            st.sampled_from([None, 24.5, 0.1]),
            st.sampled_from([0, 1, -1_000_001]),
            st.sampled_from(["", "without value"]),
            st.lists(st.sampled_from(["old-1", "old-2"]), max_size=2),
            st.sampled_from([1, 2]),
        ),
    ),
    max_size=12,
)


@given(MEMBERS)
def test_an_answer_comes_back_as_it_was(members: list[Postback | None]) -> None:
    others: dict[int, Each] = {
        at: [Prepared("orders", at)] for at, each in enumerate(members) if each is None and at % 2
    }
    answer = Answer([*members], others, ["fields.value"], ["a name"])
    assert unpacked(packed(answer)) == answer
    assert repr(unpacked(packed(answer))) == repr(answer)


def test_what_postbacks_share_is_there_once() -> None:
    columns = columns_of([changed(f"evt-{line}", line, ({}, None, 0, "", (), 1)) for line in range(3)])
    assert [len(columns.event_id), len(columns.line), len(columns.event_name), len(columns.payload)] == [3, 3, 1, 1]
    assert unpacked(packed(Answer([None, None]))) == Answer([None, None])
