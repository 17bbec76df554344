"""/api/v1/pauses, /limits, /breakers: what is held back, by whom, and how it is let go."""

from __future__ import annotations

from typing import Any

from flask import Response
from pydantic import BaseModel, ConfigDict, Field

from src import database
from src.database import now
from src.jobs import breakers, controls
from src.jobs.controls import CONCURRENCY, LIMITS, RATE_LIMIT, Override, Pause
from src.jobs.errors import JobsError
from src.web import controlling
from src.web.api.blueprint import blueprint
from src.web.api.bodies import answer, read_json
from src.web.auth import allow, visitor
from src.web.controlling import Breaker, Limit
from src.web.instants import write_instant
from src.web.request_values import Count, ahead, read
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
    if body.for_ is not None and body.until is not None:
        raise JobsError("Give either for or until, not both.", field="until")
    until = ahead("for", body.for_) or ahead("until", body.until)
    with database.write() as session:
        target = controlling.require(session, controlling.read_target(body.target))
        controls.pause(session, target.scope, target.name, until=until, reason=body.reason or None, by=visitor().name)
        [made] = [each for each in controls.load(session).pauses(now()) if each.target == str(target)]
    return answer(pause_document(made), 201)


@blueprint.delete("/pauses/<target>")
@allow(Role.OPERATOR, action="target.resume")
def resume(target: str) -> Response:
    """End a pause; one that is not there is over already."""
    meant = controlling.read_target(target)
    with database.write() as session:
        waited = controls.resume(session, meant.scope, meant.name)
    return answer({"target": str(meant), "waited": waited})


@blueprint.get("/limits")
@allow(Role.VIEWER)
def list_limits() -> Response:
    """Rate and concurrency limits: what the code says, what an operator says, what holds."""
    with database.read() as session:
        return answer({"limits": [_limit_document(each) for each in controlling.listed_limits(session)]})


@blueprint.post("/limits")
@allow(Role.OPERATOR, action="target.limit")
def set_limits() -> Response:
    """Override limits without a deploy, from the next claim on; null lifts a limit."""
    body = read(LimitBody, read_json(), example='{"target": "queue:mail", "rate_limit": "50/m"}')
    wanted = body.model_fields_set & set(LIMITS)
    if not wanted:
        raise JobsError("Give rate_limit, concurrency or both; null lifts the limit.", field=RATE_LIMIT)
    with database.write() as session:
        target = controlling.require(session, controlling.read_target(body.target))
        for setting in wanted:
            controlling.override(session, target, setting, getattr(body, setting), by=visitor().name)
        return answer({"limits": [_limit_document(each) for each in controlling.panel(session, target).limits]})


@blueprint.delete(f"/limits/<target>/<any({RATE_LIMIT}, {CONCURRENCY}):setting>")
@allow(Role.OPERATOR, action="target.limit")
def follow_code(target: str, setting: str) -> Response:
    """Drop an override: what the code says holds again."""
    meant = controlling.read_target(target)
    with database.write() as session:
        controls.follow_code(session, meant.scope, meant.name, setting)
        return answer({"limits": [_limit_document(each) for each in controlling.panel(session, meant).limits]})


@blueprint.get("/breakers")
@allow(Role.VIEWER)
def list_breakers() -> Response:
    """The circuit breakers, the open ones first."""
    with database.read() as session:
        return answer({"breakers": [_breaker_document(each) for each in controlling.listed_breakers(session)]})


@blueprint.post("/breakers/<actor>/reset")
@allow(Role.OPERATOR, action="breaker.reset")
def reset_breaker(actor: str) -> Response:
    """Close a breaker by hand and let what waits go on."""
    with database.write() as session:
        waited = breakers.reset(session, actor)
    return answer({"actor": actor, "waited": waited})


def pause_document(pause: Pause) -> dict[str, Any]:
    """A pause as a document."""
    return {
        "target": pause.target,
        "scope": pause.scope,
        "name": pause.name,
        "until": write_instant(pause.until),
        "reason": pause.reason,
        "set_by": pause.set_by,
        "set_at": write_instant(pause.set_at),
    }


def _limit_document(limit: Limit) -> dict[str, Any]:
    return {
        "target": str(limit.target),
        "setting": limit.setting,
        "code": limit.code,
        "per_key": limit.per_key,
        "override": None if limit.override is None else _override_document(limit.override),
        "in_force": limit.in_force,
    }


def _override_document(override: Override) -> dict[str, Any]:
    return {"value": override.value, "set_by": override.set_by, "set_at": write_instant(override.set_at)}


def _breaker_document(breaker: Breaker) -> dict[str, Any]:
    return {
        "actor": breaker.actor,
        "open": breaker.opened_at is not None,
        "failures": breaker.failures,
        "opens_at": breaker.limit,
        "opened_at": write_instant(breaker.opened_at),
        "probe_at": write_instant(breaker.probe_at),
    }
