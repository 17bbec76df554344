"""/api/v1/jobs/many: one verb for all jobs of a query, once whoever asks has said how many he means."""

from __future__ import annotations

from typing import Annotated, Literal

from flask import Response, request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from src import database
from src.jobs import search
from src.web import bulk_wishes
from src.web.api.blueprint import blueprint
from src.web.api.bodies import answer, read_json
from src.web.api.jobs import accepted
from src.web.auth import allow, visitor
from src.web.request_values import read, whole
from src.web.roles import Role


class BulkBody(BaseModel):
    """What is to be done to which jobs."""

    model_config = ConfigDict(extra="forbid")

    verb: Literal["retry", "re-run", "release", "cancel", "discard"] = Field(description="what to do")
    q: str = Field("", max_length=2000, description="which jobs, in the grammar of the list; empty: all")
    count: Annotated[int, Field(ge=0, strict=True), BeforeValidator(whole)] = Field(
        description="how many that was when you looked (GET): refused with 409 if it is another number by now"
    )


@blueprint.get("/jobs/many")
@allow(Role.OPERATOR)
def count_many() -> Response:
    """How many jobs a verb would be done to."""
    verb = bulk_wishes.read_verb(request.args.get("verb"))
    query = bulk_wishes.within(verb, search.parse(request.args.get("q", "")))
    with database.read() as session:
        found = bulk_wishes.meant(session, verb, query)
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
    """Submit the job that does it."""
    body = read(BulkBody, read_json(), example='{"verb": "retry", "q": "state:dead actor:add", "count": 12}')
    verb = bulk_wishes.read_verb(body.verb)
    query = bulk_wishes.within(verb, search.parse(body.q))
    with database.read() as session:
        found = bulk_wishes.meant(session, verb, query)
    bulk_wishes.check_count(found, body.count)
    with database.write() as session:
        receipt = bulk_wishes.start(session, verb, query, up_to=found.up_to, count=found.total, by=visitor(), source="api")
    return accepted(receipt)
