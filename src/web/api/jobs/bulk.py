"""/api/v1/jobs/many: a bulk action on all jobs of a query, guarded by the expected count."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from flask import request
from pydantic import BeforeValidator, Field
from typing_extensions import TypedDict

from ....jobs import State, search
from ....jobs.control.bulk import Verb
from ....operations.format.request_values import RequestBody, example, whole
from ....operations.jobs.requests import bulk_request
from ....operations.people.roles import Role
from ....sql import database
from ...auth import allow, visitor
from ...http.json_bodies import Answer, answer
from ..requests.routes import SUBMITTED, Routes, Tag
from .jobs import ReceiptDocument, accepted

api = Routes(Tag.JOBS)


class BulkBody(RequestBody):
    """Action and query of a bulk request."""

    model_config = example({"verb": "retry", "q": "state:dead actor:add", "count": 12})

    verb: Literal["retry", "re-run", "release", "cancel", "discard"] = Field(description="the action")
    q: str = Field("", max_length=2000, description="query that selects the jobs, in the syntax of the jobs list; empty: all")
    count: Annotated[int, Field(ge=0, strict=True), BeforeValidator(whole)] = Field(
        description="expected number of jobs (from GET); 409 if it has changed"
    )


class BulkQuery(TypedDict):
    """Query parameters of a count."""

    verb: Annotated[Verb, Field(description="the action")]
    q: NotRequired[Annotated[str, Field(description="query that selects the jobs; empty: all")]]


class BulkCount(TypedDict):
    """The jobs that an action would change."""

    verb: Verb
    q: Annotated[str, Field(description="the query, without actors that the caller must not submit")]
    in_words: str
    count: Annotated[int, Field(description="number of jobs that the action would change; send it with the action")]
    states: Annotated[dict[State, int], Field(description="the same by state")]
    left_alone: Annotated[dict[State, int], Field(description="matching jobs whose state does not allow the action")]


@api.get("/jobs/many", query=BulkQuery, errors=(422,))
@allow(Role.OPERATOR)
def count_many() -> Answer[BulkCount]:
    """Count the jobs that a bulk action would change."""
    verb = bulk_request.read_verb(request.args.get("verb"))
    query = bulk_request.within(verb, search.parse(request.args.get("q", "")))
    with database.read() as session:
        found = bulk_request.select(session, verb, query)
    return answer(
        {
            "verb": verb,
            "q": query.text,
            "in_words": query.in_words(),
            "count": found.total,
            "states": found.taken,
            "left_alone": found.others,
        }
    )


@api.post("/jobs/many", status=202, sends=SUBMITTED, errors=(409, 422))
@allow(Role.OPERATOR, action="bulk.start")
def act_on_many(body: BulkBody) -> Answer[ReceiptDocument]:
    """Apply an action to all jobs of a query, as a background job."""
    verb = bulk_request.read_verb(body.verb)
    query = bulk_request.within(verb, search.parse(body.q))
    with database.read() as session:
        found = bulk_request.select(session, verb, query)
    bulk_request.check_count(found, body.count)
    with database.write() as session:
        receipt = bulk_request.start(
            session, verb, query, up_to=found.up_to, asked_at=found.asked_at, count=found.total, by=visitor(), source="api"
        )
    return accepted(receipt)
