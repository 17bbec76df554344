"""A schedule that is saved untouched, or read from the API and sent back, is the same schedule."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

import dramatiq
from hypothesis import strategies as st

import src.actors
from src.actor_schema.signature import Signature
from src.jobs.core.errors import InvalidArguments
from src.operations.arguments import untouched_form
from src.operations.arguments.field import identical
from src.operations.schedules import schedule_documents, schedule_request
from src.schedules.rows.drafts import Draft
from src.schedules.rows.models import Schedule
from src.schedules.rows.vocabulary import Missed, Overlap
from src.web.forms.schedule_form import ScheduleForm, rule_of
from tests.harness.parameters import STORED, amounts, check, function

assert src.actors  # first: it makes the broker

EVERY = dramatiq.actor(actor_name="every_kind", queue_name="linger")(function(default=True))

#: also the hour that comes twice in Berlin
_INSTANTS = st.datetimes(datetime(2026, 1, 1), datetime(2080, 1, 1), timezones=st.just(UTC)) | st.builds(  # noqa: DTZ001
    datetime,
    st.just(2030),
    st.just(10),
    st.just(27),
    st.integers(0, 1),
    st.integers(0, 59),
    st.integers(0, 59),
    st.integers(0, 10**6 - 1),
    st.just(UTC),
)
_TIMES = (
    st.fixed_dictionaries({"cron": st.sampled_from(["0 6 * * mon-fri", "@daily", "*/5  1 * * *"])})
    | st.fixed_dictionaries({"every_s": st.integers(1, 10**7)})
    | st.fixed_dictionaries({"at": _INSTANTS})
)
_REST = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["nightly", "Für  morgen", "a;b", "'x'", "x/y?z#%"]), "zone": st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu"]),
        "starts_at": st.none() | _INSTANTS, "ends_at": st.none() | _INSTANTS.map(lambda instant: instant.replace(day=min(instant.day, 28), year=2085)), "jitter_s": st.integers(0, 86_400),
        "missed": st.sampled_from(Missed), "grace_s": st.integers(0, 604_800), "overlap": st.sampled_from(Overlap), "pause_after": st.none() | st.integers(1, 1000),
        "kwargs": st.fixed_dictionaries({}, optional=STORED),
    },
    optional={"expect_by": st.just("06:30")},
)  # fmt: skip
_DRAFTS = st.builds(lambda times, rest: Draft(actor="every_kind", **times, **rest), _TIMES, _REST)


def _back(draft: Draft) -> None:
    try:
        args, kwargs = Signature.of(EVERY).check([], draft.kwargs)
    except InvalidArguments:
        args, kwargs = [], {}
    draft = replace(draft, args=args, kwargs=kwargs)
    form = ScheduleForm.of(Schedule(id=1, version=1, **{name: getattr(draft, name) for name in asdict(draft)}))
    sent = untouched_form.sent(form.fields)
    assert _same(form.read(sent), draft)
    assert rule_of(sent)[0] == draft.rule
    again = form.again(sent, {})
    assert _same(again.read(untouched_form.sent(again.fields)), draft)
    assert _same(schedule_request.plan(schedule_request.read(schedule_documents.fields(draft))), draft)


def _same(one: Draft, other: Draft) -> bool:
    return identical(*[_document(each) for each in (one, other)])


def _document(draft: Draft) -> Any:
    return {name: str(value) if isinstance(value, datetime) else value for name, value in draft.document().items()}


@amounts
def test_a_schedule_comes_back_as_it_went(cases: int) -> None:
    check(cases, _back, draft=_DRAFTS)
