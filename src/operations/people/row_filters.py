"""Row filters: limit every read session to the rows of the caller's actors.

Two SQLAlchemy events. Sessions of `database.write` see every row.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, and_, event, exists, false, not_, or_, select, true
from sqlalchemy.orm import ORMExecuteState, QueryContext, Session, with_loader_criteria
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.sql.base import ExecutableOption

from ...jobs.alerts.models import Alert, AlertKind, AlertMute
from ...jobs.batches.models import Batch
from ...jobs.core.models import FailureGroup, Job, Worker
from ...jobs.core.workflow_models import StoredWorkflow
from ...jobs.limits.models import BreakerState, Control
from ...jobs.read.models import RowCount
from ...jobs.read.usage_models import Usage
from ...reports.archive import Report
from ...schedules.rows.models import Schedule
from ...sql import database
from .models import FormPreset
from .permissions import Sight, in_force

#: tables whose rows are of one actor
BY_ACTOR: tuple[tuple[Any, Any], ...] = (
    (Job, Job.actor), (Schedule, Schedule.actor), (BreakerState, BreakerState.actor), (Report, Report.name), (Batch, Batch.actor), (FormPreset, FormPreset.actor),
    (Usage, Usage.actor),
)  # fmt: skip


def listen() -> None:
    """Apply the filters in this process; a second call changes nothing."""
    for target, name, filter_ in (
        (Session, "do_orm_execute", _filter),
        (Worker, "load", _filter_worker),
        (Worker, "refresh", _filter_worker),
    ):
        if not event.contains(target, name, filter_):
            event.listen(target, name, filter_)


def _filter(state: ORMExecuteState) -> None:
    """Add the caller's limit as a criterion to every ORM select of a read session."""
    if not state.is_select or state.is_column_load or not state.session.info.get(database.READ_ONLY):
        return
    limited = in_force()
    if limited is not None:
        state.statement = state.statement.options(*_criteria(limited, frozenset(limited.queues()), frozenset(limited.own_queues())))


@lru_cache(64)  # building them takes longer than most statements
def _criteria(limited: Sight, queues: frozenset[str], own_queues: frozenset[str]) -> tuple[ExecutableOption, ...]:
    """The caller's limit for each table."""
    criteria = [with_loader_criteria(entity, _among(column, limited), include_aliases=True) for entity, column in BY_ACTOR]
    jobs = Job.__table__.alias()
    foreign = exists(select(jobs.c.seq).where(jobs.c.workflow_seq == StoredWorkflow.seq, not_(_among(jobs.c.actor, limited))))
    criteria += [with_loader_criteria(StoredWorkflow, ~foreign, include_aliases=True), with_loader_criteria(FailureGroup, false())]
    criteria += [with_loader_criteria(RowCount, false())]  # counts of every actor's jobs
    schedules = Schedule.__table__.alias()
    seen_schedules = select(schedules.c.name).where(_among(schedules.c.actor, limited))
    for alert in (Alert, AlertMute):
        fleet = and_(alert.subject == "", alert.kind != AlertKind.FAILURES)
        queue = and_(alert.kind != AlertKind.LATE, alert.subject.in_(own_queues))
        criteria.append(
            with_loader_criteria(alert, or_(fleet, queue, and_(alert.kind == AlertKind.LATE, alert.subject.in_(seen_schedules))))
        )
    actor = and_(Control.scope == "actor", _among(Control.name, limited))
    queue = and_(Control.scope == "queue", Control.name.in_(queues))
    criteria.append(with_loader_criteria(Control, or_(Control.scope == "all", actor, queue)))
    return tuple(criteria)


def _filter_worker(worker: Worker, context: QueryContext | None, *_: Any) -> None:
    """Remove other actors and queues from the lists of a worker's row."""
    if context is not None and context.session.info.get(database.READ_ONLY) and (limited := in_force()) is not None:
        queues = limited.queues()
        set_committed_value(worker, "queues", [name for name in worker.queues if name in queues])
        set_committed_value(worker, "actors", [name for name in worker.actors if limited.takes(name)])


def _among(column: Any, limited: Sight) -> ColumnElement[bool]:
    seen = column.not_in(limited.hidden) if limited.hidden else true()
    if limited.patterns is None:
        return and_(seen, column.is_not(None))
    names = [each for each in limited.patterns if not each.endswith("*")]
    beginnings = [each[:-1] for each in limited.patterns if each.endswith("*")]
    return and_(seen, or_(column.in_(names), *(column.startswith(each, autoescape=True) for each in beginnings)))
