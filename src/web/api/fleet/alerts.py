"""/api/v1/alerts: active and recovered alerts, mute and unmute."""

from __future__ import annotations

from flask import Response
from pydantic import BaseModel, ConfigDict, Field

from ....jobs.alerts import alerts, mutes
from ....jobs.core.errors import JobsError
from ....operations.fleet.alert_documents import document
from ....operations.format.instants import write_instant
from ....operations.format.request_values import ahead, read
from ....operations.people.roles import Role
from ....sql import database
from ...auth import allow, visitor
from ...http.json_bodies import answer, read_json
from ..requests.blueprint import blueprint


class MuteBody(BaseModel):
    """Duration or end of a mute; exactly one of both."""

    model_config = ConfigDict(extra="forbid")

    for_: str | float | None = Field(None, alias="for", description="duration: seconds, or a text such as 2h; excludes until")
    until: str | None = Field(None, description="end time, ISO 8601 with time zone")


@blueprint.get("/alerts")
@allow(Role.VIEWER)
def list_alerts() -> Response:
    """Active alerts, recently recovered ones, and the time of the last check."""
    with database.read() as session:
        muted = mutes.in_force(session)
        on, over, looked_at = alerts.standing(session, muted), alerts.recovered(session), alerts.looked_at(session)
    return answer(
        {
            "alerts": [document(each, muted) for each in on],
            "recovered": [document(each, muted) for each in over],
            "looked_at": write_instant(looked_at),
        }
    )


@blueprint.post("/alerts/<int:id>/mute")
@allow(Role.OPERATOR, action="alert.mute")
def mute_alert(id: int) -> Response:
    """Mute the alert's subject until a time, even if the alert recovers and begins again."""
    body = read(MuteBody, read_json(), example='{"for": "2h"}')
    if (body.for_ is None) == (body.until is None):
        raise JobsError("Give `for` (a duration) or `until` (a time).", field="until")
    until = ahead("for", body.for_) or ahead("until", body.until)
    assert until is not None
    with database.write() as session:
        alert = mutes.mute(session, id, until=until, by=visitor().name)
        return answer(document(alert, mutes.in_force(session)))


@blueprint.post("/alerts/<int:id>/unmute")
@allow(Role.OPERATOR, action="alert.unmute")
def unmute_alert(id: int) -> Response:
    """Unmute the alert; if it lasts, the next check notifies again."""
    with database.write() as session:
        alert = mutes.unmute(session, id)
        return answer(document(alert, mutes.in_force(session)))
