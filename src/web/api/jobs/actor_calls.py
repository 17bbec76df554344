"""/api/v1/actors/{name}/jobs: submit a job of one actor, with a schema for each argument."""

from __future__ import annotations

from flask import request

from ....actor_schema.signature import Signature
from ....actor_schema.validation_messages import invalid
from ....broker.publish.group_commit import submit_now
from ....operations.format.request_values import read
from ....operations.jobs import actor_catalogue
from ....operations.jobs.requests import job_request
from ....operations.jobs.requests.job_bodies import CallBody
from ....operations.people.roles import Role
from ...auth import allow, visitor
from ...http.json_bodies import Answer, loads, read_json
from ...http.requests import uploads
from ...http.requests.uploads import takes_files
from ..requests.routes import KEY, SUBMITTED, Routes, Tag
from .jobs import ReceiptDocument, accepted

api = Routes(Tag.ACTORS)


@api.post("/actors/<name>/jobs", status=202, body=CallBody, headers=(KEY,), sends=SUBMITTED, errors=(404, 409, 422))
@allow(Role.SUBMITTER, action="job.submit")
@takes_files
def call_actor(name: str) -> Answer[ReceiptDocument]:
    """Submit a job of the actor in the URL: as JSON, or as a form with the JSON in `body` and one part per file."""
    actor = actor_catalogue.submittable(name)
    signature, files = Signature.of(actor), {}
    if request.mimetype == "multipart/form-data":
        document, files = loads(uploads.body_text()), uploads.by_parameter(signature)
    else:
        document = read_json()
    body = read(CallBody, document)
    if twice := files.keys() & body.kwargs.keys():
        raise invalid(dict.fromkeys(twice, "Given twice, as a part and in body."))
    args, kwargs = signature.arrange({**body.kwargs, **files})
    wanted = body.request_for(name, args, kwargs, key=request.headers.get("Idempotency-Key"))
    return accepted(submit_now(job_request.check(wanted, by=visitor(), source="api")))
