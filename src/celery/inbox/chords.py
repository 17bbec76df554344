"""Chords: the tasks of a header arrive in messages of their own. One job gathers their results, and the body follows it.

The id of that job is the group's. Result backends without counters make the producer send the ids of the header
(celery.chord_unlock). Others count in the backend, so that no message says how many tasks there are: then the job is
held, lists the tasks that have arrived, and waits for an operator.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ...jobs.control import actions, edits, held
from ...jobs.control.edits import Edit
from ...jobs.core.errors import JobsError
from ...jobs.core.models import Job
from ...jobs.core.states import State
from ..canvas import Signature, layout
from ..task.builtins import CHORD_UNLOCK
from .reading import Call, is_id
from .signatures import cleaned

_REASON = (
    "the messages of this chord do not say how many tasks its header has, since the producer's result backend counts them. "
    "Its arguments list those that have arrived: release it when all of them have"
)


@dataclass(frozen=True, slots=True)
class Part:
    """A task whose result goes to the body of a chord: its group, its place there, and its id."""

    group: str
    index: int
    id: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Header:
    """The tasks of a chord as celery.chord_unlock names them: places and ids, where a group within it is a list."""

    group: str
    tasks: list[Any]
    body: Mapping[str, Any]
    eta: Any


def header(call: Call) -> Header:
    """Return the header that a message of celery.chord_unlock names. Raises an error if it names none."""
    group, body = call.args
    tasks = [[index, _ids(each)] for index, each in enumerate(call.kwargs["result"])]
    return Header(group, tasks, cleaned(body), call.options.get("eta"))


def parts(call: Call) -> list[Part]:
    """Return the memberships of the call, and of the tasks that its message carries."""
    found = list(_own(call.options, call.chord))
    for each in (*call.chain, call.chord, *(call.args[1:] if call.task == CHORD_UNLOCK else ())):
        found += _within(each)
    return found


def join(session: Session, part: Part) -> None:
    """Add a task to the held job of its chord, which is made for the first one."""
    known = _gathering(session, part.group, [[part.index, part.id]], part.body)
    if known is None:
        held.hold_queued(session, part.group, _REASON)
    elif known.state is State.HELD and [part.index, part.id] not in known.args[1]:
        edits.edit(session, part.group, Edit(args=[part.group, sorted([*known.args[1], [part.index, part.id]])], kwargs={}))


def gather(session: Session, header: Header) -> None:
    """Gather the results of a complete header."""
    known = _gathering(session, header.group, header.tasks, header.body, eta=header.eta)
    if known is not None and known.state is State.HELD:
        edits.edit(session, header.group, Edit(args=[header.group, header.tasks], kwargs={}))
        actions.release(session, header.group)


def _gathering(session: Session, group: str, tasks: list[Any], body: Mapping[str, Any], **options: Any) -> Job | None:
    """Return the job that gathers the results of a group, locked; None: it was inserted with these tasks."""
    if (known := _locked(session, group)) is not None:
        return known
    given = {name: value for name, value in {"task_id": group, **options}.items() if value is not None}
    gathering = Signature(CHORD_UNLOCK, (group, tasks), {}, given, immutable=True)
    workflow = layout.workflow_of(gathering, Signature.from_dict(body))
    try:
        with session.begin_nested():
            workflow.submit(session)
    except JobsError:
        # Another worker has inserted it for a task of the same header, and has committed: the conflict has waited for that.
        if (known := _locked(session, group)) is None:
            raise
        return known
    return None


def _locked(session: Session, id: str) -> Job | None:
    statement = select(Job).where(Job.id == id).with_for_update().execution_options(populate_existing=True)
    return session.execute(statement).scalars().first()


def _own(options: Mapping[str, Any], body: Any) -> Iterator[Part]:
    if body:
        if not is_id(options["group_id"]) or not is_id(options["task_id"]):
            raise TypeError("its chord has no group, or a task of it no id")
        yield Part(options["group_id"], options.get("group_index") or 0, options["task_id"], cleaned(body))


def _within(signature: Any) -> Iterator[Part]:
    """Yield the memberships of a signature that is not sent yet. In a shape, its last tasks have them."""
    if not isinstance(signature, Mapping):
        return
    kwargs, options = signature.get("kwargs") or {}, signature.get("options") or {}
    if not signature.get("subtask_type"):
        yield from _own(options, options.get("chord"))
    for each in (*(kwargs.get("tasks") or ()), kwargs.get("body")):
        yield from _within(each)


def _ids(result: Any) -> Any:
    """Return the id of a task, or those of a group, from Celery's form of a result: [[id, parent], members]."""
    (id, _), members = result
    return id if members is None else [_ids(each) for each in members]
