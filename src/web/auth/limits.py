"""Rights per actor: a user or a token may be limited to certain actors, in pages and API alike.

Three doors hold it, each for what is there and for what will be added: the catalogue knows no other actors (so no form, submission,
step or schedule of one is made); reads of this room find no rows of other actors; and what changes something by an address is let
in only where the address names a thing that can be checked (GUARDED), or changes nothing of an actor (FREE).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from flask import g, has_request_context, request
from sqlalchemy import ColumnElement, event, exists, false, not_, or_, select
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria
from werkzeug.exceptions import Forbidden

from src import database
from src.jobs import queries, workflows
from src.jobs.errors import UnknownJob
from src.jobs.models import BreakerState, FailureGroup, Job
from src.jobs.workflow_models import StoredWorkflow
from src.reports.archive import Report
from src.schedules import queries as schedule_queries
from src.schedules.models import Schedule

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


def fits(patterns: Patterns | None, actor: str) -> bool:
    """May whoever is limited so have to do with this actor?"""
    return patterns is None or any(actor == each or (each.endswith("*") and actor.startswith(each[:-1])) for each in patterns)


def in_force() -> Patterns | None:
    """What the visitor of this request is limited to; None: to nothing, or there is no request."""
    visitor = g.get("visitor") if has_request_context() else None
    return visitor.actors if visitor is not None else None


def sight() -> Callable[[str], bool] | None:
    """Which actors the visitor may see; None: all."""
    patterns = in_force()
    return None if patterns is None else lambda actor: fits(patterns, actor)


def require(actor: str) -> None:
    """Refuse the request if it is about an actor that is not the visitor's."""
    patterns = in_force()
    if not fits(patterns, actor):
        raise Forbidden(f"The actor {actor!r:.200} is not among those you may use: {', '.join(patterns or ())}.")


def require_target(scope: str, name: str) -> None:
    """Refuse the request if it holds back more than actors of the visitor's own."""
    if scope == "actor":
        require(name)
    elif (patterns := in_force()) is not None:
        raise Forbidden(f"You may pause and limit your own actors only: {', '.join(patterns)}.")


def check_address() -> None:
    """Refuse what a limited visitor may not reach by the address of this request alone."""
    if in_force() is None or request.url_rule is None:
        return
    rule = request.url_rule.rule.removeprefix("/api/v1")
    if rule.startswith(WHOLE):
        raise Forbidden("Mail and errors are about every actor: only those who may use all of them read these.")
    for prefix, check in GUARDED.items():
        if rule == prefix or rule.startswith((f"{prefix}/", f"{prefix}.")):
            check(next(iter((request.view_args or {}).values())))
            return
    if request.method not in ("GET", "HEAD", "OPTIONS") and rule not in FREE and not rule.startswith("/account"):
        raise Forbidden("This may touch every actor: only those who may use all of them do it.")


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
WHOLE = ("/mails", "/mailbox", "/errors")


@event.listens_for(Session, "do_orm_execute")
def _narrow(state: ORMExecuteState) -> None:
    """A limited visitor's reads find no other actors' rows, whatever they ask."""
    if not state.is_select or state.is_column_load or not state.session.info.get(database.LOOKING):
        return
    patterns = in_force()
    if patterns is None:
        return
    narrowed = [
        with_loader_criteria(entity, _among(column, patterns), include_aliases=True)
        for entity, column in ((Job, Job.actor), (Schedule, Schedule.actor), (BreakerState, BreakerState.actor), (Report, Report.name))
    ]
    jobs = Job.__table__.alias()
    foreign = exists(select(jobs.c.seq).where(jobs.c.workflow_seq == StoredWorkflow.seq, not_(_among(jobs.c.actor, patterns))))
    narrowed += [with_loader_criteria(StoredWorkflow, ~foreign, include_aliases=True), with_loader_criteria(FailureGroup, false())]
    state.statement = state.statement.options(*narrowed)


def _among(column: Any, patterns: Sequence[str]) -> ColumnElement[bool]:
    names = [each for each in patterns if not each.endswith("*")]
    beginnings = [each[:-1] for each in patterns if each.endswith("*")]
    return or_(column.in_(names), *(column.startswith(each, autoescape=True) for each in beginnings))
