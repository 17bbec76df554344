"""/api/v1/actors/{name}/jobs: submit a job of this actor, its arguments by name and described one by one."""

from __future__ import annotations

from flask import Response, request

from src.broker.gathering import submit_now
from src.broker.signature import Signature
from src.web import asking, catalogue, uploading
from src.web.api.blueprint import blueprint
from src.web.api.bodies import loads, read_json
from src.web.api.jobs import accepted
from src.web.auth import allow, visitor
from src.web.job_bodies import CallBody
from src.web.request_values import read
from src.web.roles import Role
from src.web.uploading import takes_files


@blueprint.post("/actors/<name>/jobs")
@allow(Role.SUBMITTER, action="job.submit")
@takes_files
def call_actor(name: str) -> Response:
    """Submit a job of the actor that the address names: JSON, or parts of a form, the JSON in `body` and files by parameter."""
    actor = catalogue.submittable(name)
    signature, files = Signature.of(actor), {}
    if request.mimetype == "multipart/form-data":
        document, files = loads(request.form.get("body") or "{}"), uploading.by_parameter(signature)
    else:
        document = read_json()
    body = read(CallBody, document, example='{"kwargs": {"x": 1, "y": 2}}')
    args, kwargs = signature.arrange({**body.kwargs, **files})
    wanted = body.request_for(name, args, kwargs, key=request.headers.get("Idempotency-Key"))
    return accepted(submit_now(asking.check(wanted, by=visitor(), source="api")))
