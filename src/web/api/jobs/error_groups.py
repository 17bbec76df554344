"""/api/v1/errors: error groups: list, show, resolve, mute and reopen."""

from __future__ import annotations

from typing import Annotated

from flask import request
from pydantic import Field
from typing_extensions import TypedDict

from ....jobs.core.errors import JobsError
from ....jobs.failures import groups
from ....jobs.failures.groups import Sort, Status
from ....operations.failures import error_documents
from ....operations.failures.error_documents import ErrorGroup, ErrorGroups, WholeErrorGroup
from ....operations.format.request_values import RequestBody, ahead, example
from ....operations.people import permissions
from ....operations.people.roles import Role
from ....sql import database
from ....sql.clock import now
from ...auth import allow, visitor
from ...http.json_bodies import Answer, answer
from ..requests.routes import Routes, Tag

api = Routes(Tag.JOBS)
VERBS = {"resolve": "Resolve an error group", "reopen": "Reopen an error group"}


class ErrorsFilter(TypedDict, total=False):
    """Query parameters of the list of error groups."""

    status: Annotated[Status, Field(description="open and regressed by default")]
    sort: Sort
    q: Annotated[str, Field(description="words in type, place, message or actors")]
    after: Annotated[str, Field(description="`next` of the previous page")]


class MuteErrorsBody(RequestBody):
    """Duration of a mute."""

    model_config = example({"for": "1d"})

    for_: str | float = Field(alias="for", description="duration: seconds, or a text such as 1d")


@api.get("/errors", query=ErrorsFilter, errors=(422,))
@allow(Role.VIEWER)
def list_errors() -> Answer[ErrorGroups]:
    """List error groups with their newest message; requires access to all actors."""
    status, sort = request.args.get("status"), request.args.get("sort") or Sort.LAST
    for name, value, known in (("status", status, list(Status)), ("sort", sort, list(Sort))):
        if value and value not in known:
            raise JobsError(f"Unknown {name} {value!r}. Choose one of {', '.join(known)}.", field=name)
    with database.read() as session:
        page = groups.page(
            session, chosen=Status(status) if status else None, sort=Sort(sort), text=request.args.get("q", ""),
            after=request.args.get("after") or None, may_see=permissions.sight(),
        )  # fmt: skip
        return answer({"groups": error_documents.documents(session, page.groups), "next": page.after})


@api.get("/errors/<fingerprint>", errors=(403, 404))
@allow(Role.VIEWER)
def show_error(fingerprint: str) -> Answer[WholeErrorGroup]:
    """Show an error group with its newest failed attempts."""
    with database.read() as session:
        group = groups.find(session, fingerprint)
        for actor in group.actors:
            permissions.require(actor)
        return answer(error_documents.whole(session, group))


@api.post("/errors/<fingerprint>/<verb>", words=VERBS, errors=(404,))
@allow(Role.OPERATOR, action="error.{verb}")
def act_on_error(fingerprint: str, verb: str) -> Answer[ErrorGroup]:
    """Resolve or reopen an error group."""
    with database.write() as session:
        if verb == "resolve":
            groups.resolve(session, fingerprint, by=visitor().name)
        else:
            groups.reopen(session, fingerprint)
    return _one(fingerprint)


@api.post("/errors/<fingerprint>/mute", errors=(404, 422))
@allow(Role.OPERATOR, action="error.mute")
def mute_error(fingerprint: str, body: MuteErrorsBody) -> Answer[ErrorGroup]:
    """Mute an error group: no emails, and hidden from the overview."""
    until = ahead("for", body.for_) or now()
    with database.write() as session:
        groups.mute(session, fingerprint, by=visitor().name, until=until)
    return _one(fingerprint)


def _one(fingerprint: str) -> Answer[ErrorGroup]:
    with database.read() as session:
        return answer(error_documents.document(session, groups.find(session, fingerprint)))
