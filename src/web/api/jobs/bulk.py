"""/api/v1/jobs/many: a bulk action on all jobs of a query, guarded by the expected count."""

from __future__ import annotations

from typing import Annotated, Literal

from flask import Response, request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ....jobs import search
from ....operations.format.request_values import read, whole
from ....operations.jobs import bulk_request
from ....operations.people.roles import Role
from ....sql import database
from ...auth import allow, visitor
from ...http.json_bodies import answer, read_json
from ..requests.blueprint import blueprint
from .jobs import accepted


class BulkBody(BaseModel):
    """Action and query of a bulk request."""

    model_config = ConfigDict(extra="forbid")

    verb: Literal["retry", "re-run", "release", "cancel", "discard"] = Field(description="the action")
    q: str = Field("", max_length=2000, description="query that selects the jobs, in the syntax of the jobs list; empty: all")
    count: Annotated[int, Field(ge=0, strict=True), BeforeValidator(whole)] = Field(
        description="expected number of jobs (from GET); 409 if it has changed"
    )


@blueprint.get("/jobs/many")
@allow(Role.OPERATOR)
def count_many() -> Response:
    """Count the jobs that an action would change."""
    verb = bulk_request.read_verb(request.args.get("verb"))
    query = bulk_request.within(verb, search.parse(request.args.get("q", "")))
    with database.read() as session:
        found = bulk_request.select(session, verb, query)
    return answer(
        {
            "verb": verb.value,
            "q": query.text,
            "in_words": query.in_words(),
            "count": found.total,
            "states": found.taken,
            "left_alone": found.others,
        }
    )


@blueprint.post("/jobs/many")
@allow(Role.OPERATOR, action="bulk.start")
def act_on_many() -> Response:
    """Submit the job that carries out the action."""
    body = read(BulkBody, read_json(), example='{"verb": "retry", "q": "state:dead actor:add", "count": 12}')
    verb = bulk_request.read_verb(body.verb)
    query = bulk_request.within(verb, search.parse(body.q))
    with database.read() as session:
        found = bulk_request.select(session, verb, query)
    bulk_request.check_count(found, body.count)
    with database.write() as session:
        receipt = bulk_request.start(session, verb, query, up_to=found.up_to, count=found.total, by=visitor(), source="api")
    return accepted(receipt)
