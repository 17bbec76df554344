"""/api/v1/actors/{name}/jobs: submit a job of this actor, its arguments by name and described one by one."""

from __future__ import annotations

from flask import Response, request

from src.broker.gathering import submit_now
from src.broker.signature import Signature
from src.web import asking, catalogue
from src.web.api.blueprint import blueprint
from src.web.api.bodies import CallBody, read, read_json
from src.web.api.jobs import accepted
from src.web.auth import allow, visitor
from src.web.roles import Role


@blueprint.post("/actors/<name>/jobs")
@allow(Role.SUBMITTER)
def call_actor(name: str) -> Response:
    """Submit a job of the actor that the address names."""
    actor = catalogue.submittable(name)
    body = read(CallBody, read_json(), example='{"kwargs": {"x": 1, "y": 2}}')
    args, kwargs = Signature.of(actor).arrange(body.kwargs)
    wish = body.wish_of(name, args, kwargs, key=request.headers.get("Idempotency-Key"))
    return accepted(submit_now(asking.check(wish, by=visitor(), source="api")))
