"""Forecast of a job for the person who submitted it: its document, and the same in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field
from sqlalchemy.orm import Session
from typing_extensions import TypedDict

from .... import actors
from ....broker.options.limits import policies_of
from ....formats.quantities import number
from ....jobs.core.models import Job
from ....jobs.core.states import State
from ....jobs.forecasts.forecast import Forecaster
from ....jobs.limits.policies import Policy
from ...format.document_fields import Instant
from ...format.instants import write_later
from ...people import permissions


class ForecastDocument(TypedDict):
    """When a job starts and ends: half of such jobs do before p50, nine tenths before p90."""

    id: str
    state: State
    place: Annotated[int | None, Field(description="place in line, 1: the next; null: in no line, or not for you to know")]
    place_is_least: Annotated[bool, Field(description="more jobs are ahead than are counted")]
    starts_p50: Instant | None
    starts_p90: Instant | None
    ends_p50: Instant | None
    ends_p90: Instant | None
    paused: bool
    unknown: Annotated[str | None, Field(description="why no forecast is possible")]
    judged: Annotated[int, Field(description="earlier forecasts of this actor whose jobs have ended")]
    right: Annotated[int, Field(description="of these, how many jobs ended before their p90")]


def policies() -> Mapping[str, Policy]:
    """The limits that the actors of this process declare."""
    return policies_of(actors.broker)


def forecast(session: Session, job: Job) -> ForecastDocument:
    """Forecast a job now."""
    document: ForecastDocument = {
        "id": job.id, "state": job.state, "place": None, "place_is_least": False, "starts_p50": None, "starts_p90": None, "ends_p50": None,
        "ends_p90": None, "paused": False, "unknown": None, "judged": 0, "right": 0,
    }  # fmt: skip
    if job.state.is_final:
        return document | {"unknown": "it has ended"}
    forecaster = Forecaster(session, policies())
    found = forecaster.of(job)
    document["unknown"], document["paused"] = found.unknown, found.standing.paused
    document["judged"], document["right"] = found.hits.judged, found.hits.right
    limited = permissions.in_force()
    if found.standing.ahead is not None and (limited is None or job.queue in limited.own_queues()):
        document["place"], document["place_is_least"] = found.standing.ahead + 1, found.standing.is_partial
    if found.prediction is not None:
        predicted = found.prediction

        def at(seconds: float) -> str:
            return write_later(forecaster.present, seconds)

        if job.state is not State.RUNNING:
            document["starts_p50"], document["starts_p90"] = at(predicted.start_p50), at(predicted.start_p90)
        document["ends_p50"], document["ends_p90"] = at(predicted.end_p50), at(predicted.end_p90)
    return document


def hit_rate(document: ForecastDocument) -> str:
    """Say how often earlier forecasts were right; empty without any."""
    if not document["judged"]:
        return ""
    share = document["right"] / document["judged"]
    return f"right for {share * 100:.0f} % of {number(document['judged'])}"


def place(document: ForecastDocument) -> str:
    """Say the place in line; empty if there is none."""
    if document["place"] is None:
        return ""
    return (
        "next in line"
        if document["place"] == 1
        else f"place {number(document['place'])}{' or later' if document['place_is_least'] else ''} in line"
    )
