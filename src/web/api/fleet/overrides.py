"""/api/v1/pauses, /limits, /breakers: pauses, limit overrides and circuit breakers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from ....jobs.core.errors import JobsError
from ....jobs.limits import breakers, overrides
from ....jobs.limits.overrides import CONCURRENCY, LIMITS, RATE_LIMIT
from ....operations.fleet import override_requests
from ....operations.fleet.override_documents import (
    BreakerDocument,
    LimitDocument,
    PauseDocument,
    breaker_document,
    limit_document,
    pause_document,
)
from ....operations.format.request_values import Count, RequestBody, example
from ....operations.people.roles import Role
from ....sql import database
from ....sql.clock import now
from ...auth import allow, visitor
from ...http.json_bodies import Answer, answer
from ..requests.routes import Routes, Tag

api = Routes(Tag.CONTROLS)
_TARGET = Field(description="target: all, queue:NAME or actor:NAME")


class PauseBody(RequestBody):
    """Target and duration of a pause."""

    model_config = example({"target": "actor:send_mail", "for": "10m"})

    target: str = _TARGET
    for_: str | float | None = Field(None, alias="for", description="duration: seconds, or a text such as 10m; excludes until")
    until: str | None = Field(None, description="end time, ISO 8601 with time zone; without for and until: until it is resumed")
    reason: str | None = Field(None, max_length=500, description="shown on every job that the pause delays")


class LimitBody(RequestBody):
    """Limit overrides; null removes a limit."""

    model_config = example({"target": "queue:mail", "rate_limit": "50/m"})

    target: str = _TARGET
    rate_limit: str | None = Field(None, max_length=200, description="rate limit of starts, e.g. 10/m or 100/h;10/m")
    concurrency: Count | None = Field(None, description="maximum number of running jobs")


class Pauses(TypedDict):
    """The active pauses."""

    pauses: list[PauseDocument]


class Resumed(TypedDict):
    """The end of a pause."""

    target: str
    waited: Annotated[int, Field(description="number of jobs that it delayed")]


class Limits(TypedDict):
    """Rate and concurrency limits."""

    limits: list[LimitDocument]


class Breakers(TypedDict):
    """The circuit breakers, the open ones first."""

    breakers: list[BreakerDocument]


class BreakerReset(TypedDict):
    """A reset circuit breaker."""

    actor: str
    waited: Annotated[int, Field(description="number of jobs that waited for it")]


Target = Annotated[str, Field(pattern="^(all|(queue|actor):[A-Za-z_][A-Za-z0-9._-]{0,100})$")]
Setting = Annotated[str, Field(json_schema_extra={"enum": list(LIMITS)})]


@api.get("/pauses")
@allow(Role.VIEWER)
def list_pauses() -> Answer[Pauses]:
    """List the active pauses."""
    with database.read() as session:
        return answer({"pauses": [pause_document(each) for each in overrides.load(session).pauses(now())]})


@api.post("/pauses", status=201, errors=(422,))
@allow(Role.OPERATOR, action="target.pause")
def pause(body: PauseBody) -> Answer[PauseDocument]:
    """Pause an actor, a queue or everything: running jobs finish. Replaces an existing pause."""
    with database.write() as session:
        target = override_requests.read_target(body.target)
        override_requests.pause(session, target, how_long=body.for_, until=body.until, reason=body.reason, by=visitor())
        [current] = [each for each in overrides.load(session).pauses(now()) if each.target == str(target)]
    return answer(pause_document(current), 201)


@api.delete("/pauses/<target>", errors=(422,))
@allow(Role.OPERATOR, action="target.resume")
def resume(target: Target) -> Answer[Resumed]:
    """End a pause. Idempotent."""
    chosen = override_requests.read_target(target)
    with database.write() as session:
        waited = override_requests.resume(session, chosen)
    return answer({"target": str(chosen), "waited": waited})


@api.get("/limits")
@allow(Role.VIEWER)
def list_limits() -> Answer[Limits]:
    """Rate and concurrency limits: code value, override and effective value."""
    with database.read() as session:
        return answer({"limits": [limit_document(each) for each in override_requests.listed_limits(session)]})


@api.post("/limits", errors=(422,))
@allow(Role.OPERATOR, action="target.limit")
def set_limits(body: LimitBody) -> Answer[Limits]:
    """Override limits without a deploy, from the next claim on; null removes a limit."""
    wanted = body.model_fields_set & set(LIMITS)
    if not wanted:
        raise JobsError("Give rate_limit, concurrency or both; null removes the limit.", field=RATE_LIMIT)
    with database.write() as session:
        target = override_requests.read_target(body.target)
        for setting in wanted:
            override_requests.override(session, target, setting, getattr(body, setting), by=visitor())
        return answer({"limits": [limit_document(each) for each in override_requests.panel(session, target).limits]})


@api.delete(f"/limits/<target>/<any({RATE_LIMIT}, {CONCURRENCY}):setting>", errors=(422,))
@allow(Role.OPERATOR, action="target.limit")
def follow_code(target: Target, setting: Setting) -> Answer[Limits]:
    """Remove an override: the code value applies again."""
    chosen = override_requests.read_target(target)
    with database.write() as session:
        override_requests.follow_code(session, chosen, setting)
        return answer({"limits": [limit_document(each) for each in override_requests.panel(session, chosen).limits]})


@api.get("/breakers")
@allow(Role.VIEWER)
def list_breakers() -> Answer[Breakers]:
    """The circuit breakers, the open ones first."""
    with database.read() as session:
        return answer({"breakers": [breaker_document(each) for each in override_requests.listed_breakers(session)]})


@api.post("/breakers/<actor>/reset")
@allow(Role.OPERATOR, action="breaker.reset")
def reset_breaker(actor: str) -> Answer[BreakerReset]:
    """Reset a circuit breaker and release the jobs that wait for it."""
    with database.write() as session:
        waited = breakers.reset(session, actor)
    return answer({"actor": actor, "waited": waited})
