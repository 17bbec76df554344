"""Rights per actor: a user or a token may be limited to certain actors, in pages and API alike.

An actor may also say in code which role it takes to see its jobs (`view_role`), which is the same limit for whoever has less, and to
submit, retry and change them (`submit_role`): require_submit() is asked where wishes are read, and by the address of a single thing.

Three doors hold it, each for what is there and for what will be added: the catalogue knows no other actors (so no form, submission,
step or schedule of one is made); reads of this room find no rows of other actors; and what changes something by an address is let
in only where the address names a thing that can be checked (GUARDED), or changes nothing of an actor (FREE).

A queue is seen by visitors who see one of its actors. Numbers that count all jobs of a queue (RabbitMQ's, alerts) need all of them.
What is kept between requests has `in_force()` in its key.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from flask import g, has_request_context, request
from sqlalchemy import ColumnElement, and_, event, exists, false, not_, or_, select, true
from sqlalchemy.orm import ORMExecuteState, QueryContext, Session, with_loader_criteria
from sqlalchemy.orm.attributes import set_committed_value
from werkzeug.exceptions import Forbidden

from src import actors, database
from src.broker.management import Overview
from src.broker.topology import dead_letter_queue, queues_of
from src.jobs import batches, defaults, queries, workflows
from src.jobs.alert_models import Alert, AlertKind, AlertMute
from src.jobs.batch_models import Batch
from src.jobs.errors import UnknownActor, UnknownJob
from src.jobs.models import BreakerState, Control, FailureGroup, Job, Worker
from src.jobs.search import Query
from src.jobs.workflow_models import StoredWorkflow
from src.reports.archive import Report
from src.schedules import queries as schedule_queries
from src.schedules.models import Schedule
from src.web.roles import Role
from src.web.tables import FormPreset

#: an actor's name, or the beginning of names with a star behind it
PATTERN = re.compile(r"[^\s,*]{1,200}\*?|\*")
Patterns = tuple[str, ...]


def read_patterns(text: str) -> Patterns | None:
    """The patterns of a text such as `add, reports_*`; None for an empty one: every actor. Raises ValueError with the cure."""
    patterns = tuple(dict.fromkeys(word for word in re.split(r"[\s,]+", text) if word))
    wrong = [word for word in patterns if not PATTERN.fullmatch(word)]
    if wrong:
        raise ValueError(f"{wrong[0]!r:.60} is no actor's name, nor the beginning of one with a star behind it, e.g. reports_*.")
    return None if not patterns or "*" in patterns else patterns


@dataclass(frozen=True, slots=True)
class Sight:
    """Which actors somebody may have to do with. `patterns`: the only ones, None: all; `hidden`: those that ask for a higher role than his."""

    patterns: Patterns | None
    hidden: frozenset[str] = frozenset()

    def takes(self, actor: str) -> bool:
        """Is this actor one of them?"""
        return actor not in self.hidden and (self.patterns is None or any(_is_meant(each, actor) for each in self.patterns))

    def queues(self) -> set[str]:
        """The queues of these actors."""
        return {actor.queue_name for name, actor in actors.broker.actors.items() if self.takes(name)}

    def own_queues(self) -> set[str]:
        """The queues of these actors and of no others."""
        return self.queues() - {actor.queue_name for name, actor in actors.broker.actors.items() if not self.takes(name)}

    def takes_query(self, query: Query) -> bool:
        """True if a query asks for these actors, and for nothing that another one may be named by."""
        asks = [term for term in query.terms if term.name == "actor"]
        if not asks or not all(self.takes(value) for term in asks for value in term.values):
            return False
        queues = self.queues()
        return all(
            set(term.values) <= queues if term.name == "queue" else term.name in _HARMLESS for term in query.terms if term.name != "actor"
        )

    def __str__(self) -> str:
        return ", ".join(self.patterns) if self.patterns is not None else "those whose code lets your role see them"


def fits(sight: Sight | None, actor: str) -> bool:
    """May whoever is limited so have to do with this actor?"""
    return sight is None or sight.takes(actor)


def in_force() -> Sight | None:
    """What the visitor of this request is limited to; None: to nothing, or there is no request."""
    visitor = _visitor()
    if visitor is None:
        return None
    hidden = frozenset(
        name for name, each in defaults.guarded().items() if each.view_role and not visitor.role.includes(Role(each.view_role))
    )
    return None if visitor.actors is None and not hidden else Sight(visitor.actors, hidden)


def known(name: str | None) -> str | None:
    """The name of an actor, masked where the visitor may not see that one."""
    return name if not name or fits(in_force(), name) else MASKED


def numbers(broker: Overview) -> Overview:
    """RabbitMQ's numbers as far as the visitor may know them: of queues whose actors he may all see."""
    limited = in_force()
    if limited is None:
        return broker
    seen = {part for name in limited.own_queues() for part in (*queues_of(name), dead_letter_queue(name))}
    return replace(broker, queues={name: each for name, each in broker.queues.items() if name in seen}, is_counted=False)


def sight() -> Callable[[str], bool] | None:
    """Which actors the visitor may see; None: all."""
    limited = in_force()
    return None if limited is None else limited.takes


def require(actor: str) -> None:
    """Refuse the request if it is about an actor that is not the visitor's."""
    limited = in_force()
    if fits(limited, actor):
        return
    if limited is not None and actor in limited.hidden:
        raise unknown(actor)
    raise Forbidden(f"The actor {actor!r:.200} is not among those you may use: {limited}.")


def unknown(actor: str) -> UnknownActor:
    """There is none of this name, as far as whoever asks may know."""
    return UnknownActor(f"No actor named {actor!r}. Import its module in src/actors, or name it in CALLBOARD_ACTORS.", field="actor")


def submit_role(actor: str | None) -> Role:
    """The least role that may submit jobs of this actor."""
    return max(Role.SUBMITTER, Role(defaults.of(actor or "").submit_role or Role.SUBMITTER), key=list(Role).index)


def view_role(actor: str | None) -> Role:
    """The least role that may see jobs of this actor."""
    return Role(defaults.of(actor or "").view_role or Role.VIEWER)


def require_submit(actor: str) -> None:
    """Refuse the request if the code lets only a higher role than the visitor's submit, retry and change jobs of this actor."""
    visitor, needed = _visitor(), defaults.of(actor).submit_role
    if visitor is not None and needed and not visitor.role.includes(Role(needed)):
        raise Forbidden(
            f"Jobs of {actor} are submitted, retried and changed by the role {needed} or higher; you are signed in as {visitor.name} with the role {visitor.role}."
        )


def beyond() -> list[str]:
    """The actors whose jobs the visitor may not submit, retry and change, though his role may those of others."""
    visitor = _visitor()
    if visitor is None:
        return []
    return sorted(
        name for name, each in defaults.guarded().items() if each.submit_role and not visitor.role.includes(Role(each.submit_role))
    )


def require_target(scope: str, name: str) -> None:
    """Refuse the request if it holds back more than actors of the visitor's own."""
    if scope == "actor":
        require(name)
    elif (limited := in_force()) is not None:
        raise Forbidden(f"You may pause and limit your own actors only: {limited}.")


def check_address() -> None:
    """Refuse what a limited visitor may not reach by the address of this request alone."""
    if request.url_rule is None:
        return
    rule = request.url_rule.rule.removeprefix("/api/v1")
    if request.method not in ("GET", "HEAD", "OPTIONS") and beyond():
        _check_submit(rule, dict(request.view_args or {}))
    if in_force() is None:
        return
    if rule.startswith(WHOLE):
        raise Forbidden("Mail and errors are about every actor: only those who may use all of them read these.")
    for prefix, check in GUARDED.items():
        if rule == prefix or rule.startswith((f"{prefix}/", f"{prefix}.")):
            check(next(iter((request.view_args or {}).values())))
            return
    if request.method not in ("GET", "HEAD", "OPTIONS") and rule not in FREE and not rule.startswith("/account"):
        raise Forbidden("This may touch every actor: only those who may use all of them do it.")


def _check_submit(rule: str, named: dict[str, Any]) -> None:
    """Refuse what makes a job run, or changes it, whose actor asks for a higher role; to stop one is everybody's whom the address lets in."""
    if named.get("action", named.get("verb")) in STOPS:
        return
    if rule.startswith("/actors/<name>"):
        require_submit(named["name"])
    elif rule.startswith(("/jobs/<id>", "/schedules/<id>", "/workflows/<id>")):
        with database.read() as session:
            if rule.startswith("/jobs"):
                found = queries.find(session, named["id"])
                names = {found.actor} if found is not None else set()
            elif rule.startswith("/schedules"):
                names = {schedule_queries.find(session, named["id"]).actor}
            else:
                workflow = workflows.find(session, named["id"])
                names = {step.actor for step in workflow.steps} if workflow is not None else set()
        for name in names:
            require_submit(name or "")


def _visitor() -> Any:
    return g.get("visitor") if has_request_context() else None


def _is_meant(pattern: str, actor: str) -> bool:
    return actor == pattern or (pattern.endswith("*") and actor.startswith(pattern[:-1]))


def _job(id: str) -> None:
    with database.read() as session:
        if queries.find(session, id) is None:
            raise UnknownJob(f"There is no job {id}.", field="id")


def _workflow(id: str) -> None:
    with database.read() as session:
        if workflows.find(session, id) is None:
            raise UnknownJob(f"There is no workflow {id}.", field="id")


def _schedule(id: str) -> None:
    with database.read() as session:
        schedule_queries.find(session, id)


def _in_view(_target: str) -> None:
    """What reads a target asks require_target."""


def _batch(id: str) -> None:
    with database.read() as session:
        batches.find(session, id)


#: addresses about one thing that is found, or refused, before any view runs
GUARDED: dict[str, Callable[[str], None]] = {
    "/actors/<name>": require,
    "/breakers/<actor>": require,
    "/reports/<name>": require,
    "/jobs/<id>": _job,
    "/workflows/<id>": _workflow,
    "/schedules/<id>": _schedule,
    "/batches/<id>": _batch,
    "/controls/<target>": _in_view,
    "/pauses/<target>": _in_view,
    "/limits/<target>": _in_view,
}
#: addresses that change something whose actor only the body names: the catalogue and require_target look at it
FREE = {
    "/jobs", "/jobs/bulk", "/jobs/views", "/jobs/views/<int:number>/delete", "/workflows", "/schedules", "/schedules/new", "/schedules/preview",
    "/users/new", "/count", "/sign-out", "/pauses", "/limits", "/files",
}  # fmt: skip
#: what stands for the name of an actor that the visitor may not see
MASKED = "••••••"
#: tables whose rows are of one actor
BY_ACTOR: tuple[tuple[Any, Any], ...] = (
    (Job, Job.actor), (Schedule, Schedule.actor), (BreakerState, BreakerState.actor), (Report, Report.name), (Batch, Batch.actor), (FormPreset, FormPreset.actor),
)  # fmt: skip
#: fields of a query whose values name nothing
_HARMLESS = frozenset({"state", "is", "created", "started", "finished", "attempts", "source", "priority"})
#: what may be done to a job, a workflow or a schedule that makes nothing run
STOPS = {"cancel", "discard", "stack", "pause"}
WHOLE = ("/mails", "/mailbox", "/errors")


@event.listens_for(Session, "do_orm_execute")
def _narrow(state: ORMExecuteState) -> None:
    """A limited visitor's reads find no other actors' rows, whatever they ask."""
    if not state.is_select or state.is_column_load or not state.session.info.get(database.LOOKING):
        return
    limited = in_force()
    if limited is None:
        return
    narrowed = [with_loader_criteria(entity, _among(column, limited), include_aliases=True) for entity, column in BY_ACTOR]
    jobs = Job.__table__.alias()
    foreign = exists(select(jobs.c.seq).where(jobs.c.workflow_seq == StoredWorkflow.seq, not_(_among(jobs.c.actor, limited))))
    narrowed += [with_loader_criteria(StoredWorkflow, ~foreign, include_aliases=True), with_loader_criteria(FailureGroup, false())]
    schedules = Schedule.__table__.alias()
    seen_schedules = select(schedules.c.name).where(_among(schedules.c.actor, limited))
    for alert in (Alert, AlertMute):
        fleet = and_(alert.subject == "", alert.kind != AlertKind.FAILURES)
        queue = and_(alert.kind != AlertKind.LATE, alert.subject.in_(limited.own_queues()))
        narrowed.append(
            with_loader_criteria(alert, or_(fleet, queue, and_(alert.kind == AlertKind.LATE, alert.subject.in_(seen_schedules))))
        )
    actor = and_(Control.scope == "actor", _among(Control.name, limited))
    queue = and_(Control.scope == "queue", Control.name.in_(limited.queues()))
    narrowed.append(with_loader_criteria(Control, or_(Control.scope == "all", actor, queue)))
    state.statement = state.statement.options(*narrowed)


@event.listens_for(Worker, "load")
@event.listens_for(Worker, "refresh")
def _narrow_worker(worker: Worker, context: QueryContext | None, *_: Any) -> None:
    """A limited visitor's reads find no other actors and queues in what a worker says of itself."""
    if context is not None and context.session.info.get(database.LOOKING) and (limited := in_force()) is not None:
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
