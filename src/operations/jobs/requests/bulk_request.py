"""Bulk actions: count the jobs of a query, then submit a job that acts on them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy.orm import Session

from .... import audit
from ....actors.bulk import act_on_jobs
from ....jobs import Receipt, search, submit
from ....jobs.control import bulk
from ....jobs.control.bulk import Verb
from ....jobs.control.reach import STOPS
from ....jobs.core.errors import JobsError
from ....jobs.core.states import State
from ....jobs.search import Query, parse
from ....jobs.search.extent import newest
from ....jobs.search.grammar import quote
from ....sql.clock import now
from ...format.instants import write_instant
from ...people import permissions
from ...people.caller import Caller


class CountDiffers(JobsError):
    """The number of matching jobs has changed since the caller saw it."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Jobs of a bulk action at an instant: counts by state of the affected (`taken`) and other jobs; none is newer than `up_to`."""

    verb: Verb
    query: Query
    taken: dict[State, int]
    others: dict[State, int]
    up_to: int
    asked_at: datetime

    @property
    def total(self) -> int:
        """The number of affected jobs."""
        return sum(self.taken.values())


def read_verb(text: object) -> Verb:
    """The verb of this name; raises JobsError."""
    if not isinstance(text, str) or text not in list(Verb):
        raise JobsError(f"Choose an action: {', '.join(Verb)}.", field="verb")
    return Verb(text)


def within(verb: Verb, query: Query) -> Query:
    """The query without actors whose `submit_role` is above the caller's role."""
    if verb in STOPS:
        return query
    # By terms: as text, `-actor:mul` is also in `-actor:mul2` and in quoted words.
    left_out = {term.values for term in query.terms if term.is_not and term.name == "actor"}
    missing = [f"-actor:{quote(name)}" for name in permissions.beyond() if (name,) not in left_out]
    return parse(" ".join([query.text, *missing]).strip())


def select(session: Session, verb: Verb, query: Query) -> Selection:
    """Count the jobs that the verb would act on now."""
    up_to, present = newest(session), now()
    counts = search.count(session, query, up_to=up_to, present=present)
    taken = {state: number for state, number in counts.items() if state in bulk.TAKES[verb]}
    others = {state: number for state, number in counts.items() if state not in taken}
    return Selection(verb, query, taken, others, up_to, present)


def check_count(found: Selection, count: int, *, one: str = "job matches", many: str = "jobs match") -> None:
    """Raise CountDiffers unless the caller has seen this number."""
    if found.total != count:
        cure = f" Check again, then send count {found.total}." if found.total else ""
        raise CountDiffers(f"{found.total} {one if found.total == 1 else many} now, not {count}.{cure}", field="count")


def start(
    session: Session,
    verb: Verb,
    query: Query,
    *,
    up_to: int,
    asked_at: datetime,
    count: int,
    by: Caller,
    source: Literal["form", "api", "command"],
) -> Receipt:
    """Submit the job that carries out the action, in the session's transaction; `asked_at`: the instant of the count that was confirmed."""
    arguments: dict[str, Any] = {
        "verb": verb.value, "query": query.text, "up_to": up_to, "asked_at": write_instant(asked_at), "by": by.name, "by_key": by.key, "role": by.role.value,
    }  # fmt: skip
    if source != "form":  # workers of the previous release know only pages and reject this argument
        arguments["via"] = source
    receipt = submit(session, act_on_jobs.message(**arguments), source=source, submitted_by=by.name)
    audit.about("bulk", receipt.id, verb=verb.value, query=query.text[:500], count=count)
    return receipt
