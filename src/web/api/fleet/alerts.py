"""/api/v1/alerts: active and recovered alerts, mute and unmute."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from ....jobs.alerts import alerts, mutes
from ....jobs.core.errors import JobsError
from ....operations.fleet.alert_documents import AlertDocument, document
from ....operations.format.document_fields import Instant
from ....operations.format.instants import write_instant
from ....operations.format.request_values import RequestBody, ahead, example
from ....operations.people.roles import Role
from ....sql import database
from ...auth import allow, visitor
from ...http.json_bodies import Answer, answer
from ..requests.routes import Routes, Tag

api = Routes(Tag.FLEET)


class MuteBody(RequestBody):
    """Duration or end of a mute; exactly one of both."""

    model_config = example({"for": "2h"})

    for_: str | float | None = Field(None, alias="for", description="duration: seconds, or a text such as 2h; excludes until")
    until: str | None = Field(None, description="end time, ISO 8601 with time zone")


class Alerts(TypedDict):
    """Active and recently recovered alerts."""

    alerts: list[AlertDocument]
    recovered: list[AlertDocument]
    looked_at: Annotated[Instant | None, Field(description="time of the last check; null: none yet")]


Id = Annotated[int, Field(ge=0, le=2**63 - 1)]


@api.get("/alerts")
@allow(Role.VIEWER)
def list_alerts() -> Answer[Alerts]:
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


@api.post("/alerts/<int:id>/mute", errors=(404, 422))
@allow(Role.OPERATOR, action="alert.mute")
def mute_alert(id: Id, body: MuteBody) -> Answer[AlertDocument]:
    """Mute an alert's subject until a time, even if the alert recovers and begins again."""
    if (body.for_ is None) == (body.until is None):
        raise JobsError("Give `for` (a duration) or `until` (a time).", field="until")
    until = ahead("for", body.for_) or ahead("until", body.until)
    assert until is not None
    with database.write() as session:
        alert = mutes.mute(session, id, until=until, by=visitor().name)
        return answer(document(alert, mutes.in_force(session)))


@api.post("/alerts/<int:id>/unmute", errors=(404,))
@allow(Role.OPERATOR, action="alert.unmute")
def unmute_alert(id: Id) -> Answer[AlertDocument]:
    """Unmute an alert; if it lasts, the next check notifies again."""
    with database.write() as session:
        alert = mutes.unmute(session, id)
        return answer(document(alert, mutes.in_force(session)))
