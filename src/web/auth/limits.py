"""Rights per actor: a user or a token may be limited to certain actors, in pages and API alike.

An actor may also say in code which role it takes to see its jobs (`view_role`), which is the same limit for whoever has less, and to
submit, retry and change them (`submit_role`): require_submit() is asked where wishes are read, and by the address of a single thing.

Three doors hold it, each for what is there and for what will be added: the catalogue knows no other actors (so no form, submission,
step or schedule of one is made); reads of this room find no rows of other actors; and what changes something by an address is let
in only where the address names a thing that can be checked (GUARDED), or changes nothing of an actor (FREE).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import g, has_request_context, request
from sqlalchemy import ColumnElement, and_, event, exists, false, not_, or_, select, true
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria
from werkzeug.exceptions import Forbidden

from src import database
from src.jobs import defaults, queries, workflows
from src.jobs.errors import UnknownActor, UnknownJob
from src.jobs.models import BreakerState, FailureGroup, Job
from src.jobs.workflow_models import StoredWorkflow
from src.reports.archive import Report
from src.schedules import queries as schedule_queries
from src.schedules.models import Schedule
from src.web.roles import Role

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


#: addresses about one thing that is found, or refused, before any view runs
GUARDED: dict[str, Callable[[str], None]] = {
    "/actors/<name>": require,
    "/breakers/<actor>": require,
    "/reports/<name>": require,
    "/jobs/<id>": _job,
    "/workflows/<id>": _workflow,
    "/schedules/<id>": _schedule,
    "/controls/<target>": _in_view,
    "/pauses/<target>": _in_view,
    "/limits/<target>": _in_view,
}
#: addresses that change something whose actor only the body names: the catalogue and require_target look at it
FREE = {
    "/jobs", "/jobs/bulk", "/jobs/views", "/jobs/views/<int:number>/delete", "/workflows", "/schedules", "/schedules/new", "/schedules/preview",
    "/users/new", "/count", "/sign-out", "/pauses", "/limits", "/files",
}  # fmt: skip
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
    narrowed = [
        with_loader_criteria(entity, _among(column, limited), include_aliases=True)
        for entity, column in ((Job, Job.actor), (Schedule, Schedule.actor), (BreakerState, BreakerState.actor), (Report, Report.name))
    ]
    jobs = Job.__table__.alias()
    foreign = exists(select(jobs.c.seq).where(jobs.c.workflow_seq == StoredWorkflow.seq, not_(_among(jobs.c.actor, limited))))
    narrowed += [with_loader_criteria(StoredWorkflow, ~foreign, include_aliases=True), with_loader_criteria(FailureGroup, false())]
    state.statement = state.statement.options(*narrowed)


def _among(column: Any, limited: Sight) -> ColumnElement[bool]:
    seen = column.not_in(limited.hidden) if limited.hidden else true()
    if limited.patterns is None:
        return and_(seen, column.is_not(None))
    names = [each for each in limited.patterns if not each.endswith("*")]
    beginnings = [each[:-1] for each in limited.patterns if each.endswith("*")]
    return and_(seen, or_(column.in_(names), *(column.startswith(each, autoescape=True) for each in beginnings)))
