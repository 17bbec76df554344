"""Query completion: full queries that start with the typed text, for the datalist."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from ....jobs.leases import workers
from ....jobs.search.fields import FIELDS
from ....jobs.search.grammar import quote
from ....operations.jobs import actor_catalogue

#: maximum completions
MOST = 30


@dataclass(frozen=True, slots=True)
class Completion:
    """One full query with the meaning of its last word."""

    text: str
    meaning: str


def completions(session: Session, typed: str) -> list[Completion]:
    """Complete the last typed word."""
    head, space, last = typed.rpartition(" ")
    sign = "-" if last.startswith("-") else ""
    name, colon, begun = last.removeprefix("-").partition(":")
    start = head + space + sign
    if not colon:
        return [Completion(f"{start}{each.name}:", each.meaning) for each in FIELDS.values() if each.name.startswith(name)][:MOST]
    if name not in FIELDS:
        return []
    done, comma, part = begun.rpartition(",")
    values = [value for value in _values(session, name) if value.startswith(part) and value != part]
    return [Completion(f"{start}{name}:{done}{comma}{_written(value)}", FIELDS[name].meaning) for value in values[:MOST]]


def _written(value: str) -> str:
    return value if value[:1] in "<>" else quote(value)


def _values(session: Session, name: str) -> list[str]:
    if name == "actor":
        return [actor.actor_name for actor in actor_catalogue.entries()]
    if name == "queue":
        return actor_catalogue.queues()
    if name == "worker":
        return [worker.name for worker in workers.alive(session)]
    return list(FIELDS[name].choices)
