"""View model of the jobs list: query, counts, facets, a page of jobs and saved views."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ....formats.quantities import number
from ....jobs import State, search
from ....jobs.read import queries
from ....jobs.search import Query, QueryError, Tally
from ....jobs.search.facets import BUDGET_S, Facets, facets, facets_of
from ....jobs.search.fields import FIELDS
from ....jobs.search.pages import TALLY_S, left_s
from ....operations.format.list_filters import read_filter
from ....operations.jobs.documents import job_documents
from ....operations.jobs.rows import Job
from ....operations.people.caller import Caller
from ....operations.people.models import SavedView
from ....sql import database
from . import columns, saved_views
from .query_completion import Completion, completions

ROWS = 50
#: rows of an export
MOST_ROWS = 1_000


@dataclass(frozen=True, slots=True)
class Columns:
    """The shown columns, besides state and actor."""

    shown: list[str]
    every: Mapping[str, columns.Column] = field(default_factory=lambda: columns.COLUMNS)


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of jobs with its counts, facets and views."""

    query: Query
    views: list[SavedView]
    completions: list[Completion]
    after: int | None = None
    jobs: list[Job] = field(default_factory=list)
    next: int | None = None
    searched_to: int | None = None
    tally: Tally = field(default_factory=Tally)
    facets: Facets = field(default_factory=lambda: Facets({}, 0))
    error: QueryError | None = None

    @classmethod
    def read(cls, parameters: Mapping[str, str], visitor: Caller) -> Listing:
        """Parse the URL parameters; raises QueryError."""
        wanted = read_filter(parameters)
        limit = ROWS
        if parameters.get("limit", "").isdecimal():
            limit = max(1, min(int(parameters["limit"][:6]), MOST_ROWS))
        begun = time.monotonic()
        with database.read() as session:
            found = search.find(session, wanted.query, after=wanted.after, limit=limit)
            is_all = found.next is None and wanted.after is None and not wanted.query.states()
            if is_all or found.searched_to is not None:
                counted, common = search.tally_of(found), facets_of(found.jobs)
            else:
                counted = search.tally(session, wanted.query, budget_s=left_s(begun, TALLY_S))
                common = facets(session, wanted.query, budget_s=left_s(begun, BUDGET_S))
            saved, more = saved_views.of(session, visitor), completions(session, f"{wanted.query.text} " if wanted.query.text else "")
        return cls(wanted.query, saved, more, wanted.after, found.jobs, found.next, found.searched_to, counted, common)

    @classmethod
    def wrong(cls, error: QueryError, visitor: Caller) -> Listing:
        """The page of an invalid query."""
        with database.read() as session:
            return cls(Query(error.text), saved_views.of(session, visitor), completions(session, error.text), error=error)

    @property
    def fields(self) -> Mapping[str, Any]:
        """The query fields."""
        return FIELDS

    @property
    def state(self) -> str | None:
        """The state of the query, if it names exactly one."""
        return self.query.one("state")

    @property
    def total(self) -> str:
        """The number of matching jobs, with a plus if the count was capped."""
        states = self.query.states() or list(State)
        return written(self.tally.total(states), is_whole=self.tally.is_whole(states))

    @property
    def title(self) -> str:
        """The page title."""
        return f"{self.state.capitalize()} jobs" if self.state else "Jobs"

    @property
    def newest(self) -> int:
        """The number of the newest listed job; 0: none."""
        return max((job.seq for job in self.jobs), default=0)

    @property
    def unfinished(self) -> str:
        """The numbers of the listed jobs that may still change, for the URL."""
        return ",".join(str(job.seq) for job in self.jobs if not job.state.is_final)

    def count(self, state: State) -> str:
        """The number of jobs in a state that match the rest of the query; "" for none."""
        number = self.tally.states.get(state, 0)
        return written(number, is_whole=state in self.tally.whole) if number else ""

    def rows(self) -> list[dict[str, Any]]:
        """The jobs as documents."""
        return [{**job_documents.summary(job), "error": job.error} for job in self.jobs]

    def document(self) -> dict[str, Any]:
        """The page as a document."""
        counts = {state.value: {"count": number, "exact": state in self.tally.whole} for state, number in self.tally.states.items()}
        return {
            "query": self.query.text, "jobs": self.rows(), "next": None if self.next is None else str(self.next),
            "partial": self.searched_to is not None, "counts": counts,
            "facets": {name: dict(values) for name, values in self.facets.fields.items()}, "facets_of_newest": self.facets.looked_at,
        }  # fmt: skip


def written(value: int, *, is_whole: bool) -> str:
    """A count, with a plus if it was capped."""
    return number(value) + ("" if is_whole else "+")


def newer(parameters: Mapping[str, str]) -> tuple[str, list[Job]]:
    """The number of matching jobs newer than `since`, up to a page, and the present rows of the jobs that the page shows as unfinished."""
    wanted, since = read_filter(parameters), _number(parameters.get("since", ""))
    shown = [_number(text) for text in parameters.get("shown", "").split(",")[:MOST_ROWS]]
    with database.read() as session:
        found = search.find(session, wanted.query, limit=ROWS)
        fresh = sum(job.seq > since for job in found.jobs)
        return f"{fresh}+" if fresh == ROWS else str(fresh or ""), queries.of_numbers(session, shown)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and text.isascii() and len(text) <= 18 else 0
