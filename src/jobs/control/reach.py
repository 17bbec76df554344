"""Reach of a job: the actors that run once it runs: its own, the one that its arguments name, and its follow-ups."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..core.models import Job
from ..core.workflow_models import StoredEdge, StoredWorkflow
from ..options import message_options
from ..submit import defaults
from ..workflows.canvas import CALL_EACH

#: the actor of bulk actions
ACT_ON_JOBS = "act_on_jobs"
#: verbs of bulk actions that start no job
STOPS = frozenset({"cancel", "discard"})


class Call(NamedTuple):
    """A message, or a job's row as one."""

    actor: str | None
    args: Any
    kwargs: Any
    options: Any = None


@dataclass(frozen=True, slots=True)
class Reach:
    """Actors that run, and the roles of bulk actions that do; an empty one: not known."""

    actors: frozenset[str]
    roles: frozenset[str] = frozenset()

    def is_above(self, roles: Collection[str]) -> bool:
        """True if it takes one of these roles to have all of it run."""
        return any(defaults.of(name).submit_role in roles for name in self.actors) or any(not role or role in roles for role in self.roles)


# A limited caller's session hides rows, not what they have run: these read the table itself, which no row filter concerns.
_jobs = Job.__table__.c
_CALL = (_jobs.actor, _jobs.args, _jobs.kwargs, _jobs.options)


def of_job(session: Session, id: str, *, alone: bool = False) -> Reach:
    """Return the reach of a job and of the workflow steps behind it. `alone`: of its call, without what follows it."""
    found = session.execute(select(_jobs.seq, _jobs.workflow_seq, *_CALL).where(_jobs.id == id)).first()
    if found is None:
        return of_calls()
    call = Call(*found[2:])
    if alone:
        return of_calls(call._replace(options=None))
    if found.workflow_seq is None:
        return of_calls(call)
    behind = select(StoredEdge.after_seq).where(StoredEdge.before_seq == found.seq).cte(recursive=True)
    behind = behind.union(select(StoredEdge.after_seq).join(behind, StoredEdge.before_seq == behind.c.after_seq))
    return of_calls(call, *(Call(*row) for row in session.execute(select(*_CALL).where(_jobs.seq.in_(select(behind.c.after_seq))))))


def of_workflow(session: Session, id: str) -> Reach:
    """Return the reach of all steps."""
    steps = select(*_CALL).join(StoredWorkflow, StoredWorkflow.seq == _jobs.workflow_seq).where(StoredWorkflow.id == id)
    return of_calls(*(Call(*row) for row in session.execute(steps)))


def of_calls(*calls: Call) -> Reach:
    """Return the reach of messages, also of those that other programs wrote."""
    waiting, actors, roles = list(calls), set[str](), set[str]()
    while waiting:  # no recursion: a pipeline holds its next step, and that one the next
        actor, args, kwargs, options = waiting.pop()
        named = kwargs if isinstance(kwargs, Mapping) else {}
        names = [actor]
        if actor == CALL_EACH:
            names += [*args[:1], named.get("actor")] if isinstance(args, list | tuple) else []
        elif actor == ACT_ON_JOBS and named.get("verb") not in STOPS:
            roles.add(str(named.get("role") or ""))
        if isinstance(options, Mapping):
            names += [options.get(name) for name in message_options.ACTORS]
            waiting += [_call(each) for each in message_options.following(options)]
        actors.update(name for name in names if isinstance(name, str))
    return Reach(frozenset(actors), frozenset(roles))


def _call(message: Mapping[str, Any]) -> Call:
    return Call(*(message.get(name) for name in ("actor_name", "args", "kwargs", "options")))
