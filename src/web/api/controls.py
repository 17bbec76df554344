"""/api/v1/pauses, /limits, /breakers: what is held back, by whom, and how it is let go."""

from __future__ import annotations

from flask import Response
from pydantic import BaseModel, ConfigDict, Field

from src import database
from src.database import now
from src.jobs import breakers, controls
from src.jobs.controls import CONCURRENCY, LIMITS, RATE_LIMIT
from src.jobs.errors import JobsError
from src.web import controlling
from src.web.api.blueprint import blueprint
from src.web.api.bodies import answer, read_json
from src.web.auth import allow, visitor
from src.web.control_documents import breaker_document, limit_document, pause_document
from src.web.request_values import Count, read
from src.web.roles import Role

_TARGET = Field(description="what is meant: all, queue:NAME or actor:NAME")


class PauseBody(BaseModel):
    """What to pause, and until when."""

    model_config = ConfigDict(extra="forbid")

    target: str = _TARGET
    for_: str | float | None = Field(None, alias="for", description="how long: seconds, or a text such as 10m; not together with until")
    until: str | None = Field(None, description="until this instant, ISO 8601 with its zone; neither: until somebody resumes")
    reason: str | None = Field(None, max_length=500, description="shown on every job that waits for it")


class LimitBody(BaseModel):
    """Limits to set beside the code; null lifts one."""

    model_config = ConfigDict(extra="forbid")

    target: str = _TARGET
    rate_limit: str | None = Field(None, max_length=200, description="how often jobs may start, e.g. 10/m or 100/h;10/m")
    concurrency: Count | None = Field(None, description="how many may run at once")


@blueprint.get("/pauses")
@allow(Role.VIEWER)
def list_pauses() -> Response:
    """The pauses in force."""
    with database.read() as session:
        return answer({"pauses": [pause_document(each) for each in controls.load(session).pauses(now())]})


@blueprint.post("/pauses")
@allow(Role.OPERATOR, action="target.pause")
def pause() -> Response:
    """Start nothing more of an actor, a queue or everything; what runs goes on. A pause that is there already is replaced."""
    body = read(PauseBody, read_json(), example='{"target": "actor:send_mail", "for": "10m"}')
    with database.write() as session:
        target = controlling.read_target(body.target)
        controlling.pause(session, target, how_long=body.for_, until=body.until, reason=body.reason, by=visitor())
        [made] = [each for each in controls.load(session).pauses(now()) if each.target == str(target)]
    return answer(pause_document(made), 201)


@blueprint.delete("/pauses/<target>")
@allow(Role.OPERATOR, action="target.resume")
def resume(target: str) -> Response:
    """End a pause; one that is not there is over already."""
    meant = controlling.read_target(target)
    with database.write() as session:
        waited = controlling.resume(session, meant)
    return answer({"target": str(meant), "waited": waited})


@blueprint.get("/limits")
@allow(Role.VIEWER)
def list_limits() -> Response:
    """Rate and concurrency limits: what the code says, what an operator says, what holds."""
    with database.read() as session:
        return answer({"limits": [limit_document(each) for each in controlling.listed_limits(session)]})


@blueprint.post("/limits")
@allow(Role.OPERATOR, action="target.limit")
def set_limits() -> Response:
    """Override limits without a deploy, from the next claim on; null lifts a limit."""
    body = read(LimitBody, read_json(), example='{"target": "queue:mail", "rate_limit": "50/m"}')
    wanted = body.model_fields_set & set(LIMITS)
    if not wanted:
        raise JobsError("Give rate_limit, concurrency or both; null lifts the limit.", field=RATE_LIMIT)
    with database.write() as session:
        target = controlling.read_target(body.target)
        for setting in wanted:
            controlling.override(session, target, setting, getattr(body, setting), by=visitor())
        return answer({"limits": [limit_document(each) for each in controlling.panel(session, target).limits]})


@blueprint.delete(f"/limits/<target>/<any({RATE_LIMIT}, {CONCURRENCY}):setting>")
@allow(Role.OPERATOR, action="target.limit")
def follow_code(target: str, setting: str) -> Response:
    """Drop an override: what the code says holds again."""
    meant = controlling.read_target(target)
    with database.write() as session:
        controlling.follow_code(session, meant, setting)
        return answer({"limits": [limit_document(each) for each in controlling.panel(session, meant).limits]})


@blueprint.get("/breakers")
@allow(Role.VIEWER)
def list_breakers() -> Response:
    """The circuit breakers, the open ones first."""
    with database.read() as session:
        return answer({"breakers": [breaker_document(each) for each in controlling.listed_breakers(session)]})


@blueprint.post("/breakers/<actor>/reset")
@allow(Role.OPERATOR, action="breaker.reset")
def reset_breaker(actor: str) -> Response:
    """Close a breaker by hand and let what waits go on."""
    with database.write() as session:
        waited = breakers.reset(session, actor)
    return answer({"actor": actor, "waited": waited})
