"""/api/v1/alerts: what is wrong with the fleet, and what nobody wants to hear of for a while."""

from __future__ import annotations

from flask import Response
from pydantic import BaseModel, ConfigDict, Field

from src import database
from src.jobs import alert_mutes, alerts
from src.jobs.errors import JobsError
from src.web.alert_documents import document
from src.web.api.blueprint import blueprint
from src.web.api.bodies import answer, read_json
from src.web.auth import allow, visitor
from src.web.instants import write_instant
from src.web.request_values import ahead, read
from src.web.roles import Role


class MuteBody(BaseModel):
    """For how long nobody wants to hear of it; give one of both."""

    model_config = ConfigDict(extra="forbid")

    for_: str | float | None = Field(None, alias="for", description="how long: seconds, or a text such as 2h; not together with until")
    until: str | None = Field(None, description="until this instant, ISO 8601 with its zone")


@blueprint.get("/alerts")
@allow(Role.VIEWER)
def list_alerts() -> Response:
    """What is wrong with the fleet now, what has recovered lately, and when a scheduler looked last."""
    with database.read() as session:
        muted = alert_mutes.in_force(session)
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
    """Say nothing of what this alert is about until a time, however often it begins."""
    body = read(MuteBody, read_json(), example='{"for": "2h"}')
    if (body.for_ is None) == (body.until is None):
        raise JobsError("Give for or until: how long, or until when.", field="until")
    until = ahead("for", body.for_) or ahead("until", body.until)
    assert until is not None
    with database.write() as session:
        alert = alert_mutes.mute(session, id, until=until, by=visitor().name)
        return answer(document(alert, alert_mutes.in_force(session)))


@blueprint.post("/alerts/<int:id>/unmute")
@allow(Role.OPERATOR, action="alert.unmute")
def unmute_alert(id: int) -> Response:
    """Unmute the alert; if it lasts, the next check notifies again."""
    with database.write() as session:
        alert = alert_mutes.unmute(session, id)
        return answer(document(alert, alert_mutes.in_force(session)))
