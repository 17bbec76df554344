"""/api/v1/openapi.json: the API described, with the arguments of every actor."""

from __future__ import annotations

from typing import Any

from flask import Response

from src import __version__
from src.broker.signature import Signature
from src.jobs import State
from src.jobs.controls import LIMITS
from src.mail.models import DeliveryState
from src.web import catalogue
from src.web.api import schedule_openapi
from src.web.api.blueprint import blueprint
from src.web.api.bodies import EditBody, JobBody, answer
from src.web.api.controls import LimitBody, PauseBody
from src.web.api.workflow_bodies import StepBody, WorkflowBody
from src.web.audit_wishes import FIELDS as AUDIT_FIELDS
from src.web.auth import allow
from src.web.roles import Role

Document = dict[str, Any]


@blueprint.get("/openapi.json")
@allow(Role.VIEWER)
def describe() -> Response:
    """The OpenAPI 3.1 document."""
    return answer(document())


def document() -> Document:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Callboard", "version": __version__, "description": "Submit background jobs and follow them."},
        "servers": [{"url": "/api/v1"}],
        "security": [{"token": []}],
        "paths": _paths(),
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "Problem": _PROBLEM,
                "Job": _JOB,
                "Receipt": _RECEIPT,
                "Submission": _submission(),
                **_argument_schemas(),
                **schedule_openapi.schemas(),
            },
        },
    }


def _paths() -> Document:
    job, id = _ref("Job"), _segment("id")
    target, actor = _segment("target"), _segment("actor")
    setting = {**_segment("setting"), "schema": {"enum": list(LIMITS)}}
    key = {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "maxLength": 200}}
    page = [
        _query("state", {"enum": [*State, "failed"]}),
        _query("actor"),
        _query("queue"),
        _query("q"),
        _query("after"),
        _query("limit", {"type": "integer", "minimum": 1, "maximum": 200}),
    ]
    log = [
        _query("after"),
        _query("attempt", {"type": "integer", "minimum": 1}),
        _query("limit", {"type": "integer", "minimum": 1, "maximum": 1000}),
    ]
    jobs = {"type": "object", "properties": {"jobs": {"type": "array", "items": {"type": "object"}}, "next": {"type": ["string", "null"]}}}
    ids = {"type": "object", "properties": {"ids": {"type": "array", "items": {"type": "string"}}, "created": {"type": "integer"}}}
    actions = {
        f"/jobs/{{id}}/{name}": {"post": _operation(summary, {"type": "object"}, parameters=[id], problems=(404, 409))}
        for name, summary in _ACTIONS.items()
    }
    return {
        "/jobs": {
            "post": _operation("Submit a job", _ref("Receipt"), status=202, body=_ref("Submission"), parameters=[key], problems=(409, 422)),
            "get": _operation("List jobs, newest first", jobs, parameters=page, problems=(422,)),
        },
        "/jobs/bulk": {
            "post": _operation(
                "Submit many jobs: all or none", ids, status=202, body={"type": "array", "items": _ref("Submission")}, problems=(422,)
            )
        },
        "/jobs/{id}": {
            "get": _operation("One job", job, parameters=[id], problems=(404, 409)),
            "patch": _operation(
                "Change a job that waits", job, body=EditBody.model_json_schema(), parameters=[id], problems=(404, 409, 422)
            ),
        },
        "/jobs/{id}/events": {
            "get": _operation(
                "A job's changes as server-sent events", {"type": "string"}, parameters=[id], problems=(404,), media="text/event-stream"
            )
        },
        "/jobs/{id}/result": {"get": _operation("Its result alone, also a large one", {}, parameters=[id], problems=(404, 409))},
        "/jobs/{id}/logs": {"get": _operation("What its attempts log and print", _LOG, parameters=[id, *log], problems=(404, 422))},
        **actions,
        "/workflows": {
            "post": _operation(
                "Submit a workflow", {"type": "object"}, status=202, body=_workflow(), parameters=[key], problems=(409, 422)
            ),
            "get": _operation("List workflows, newest first", {"type": "object"}, parameters=page[-2:], problems=(422,)),
        },
        "/workflows/{id}": {"get": _operation("One workflow with its steps", {"type": "object"}, parameters=[id], problems=(404,))},
        "/workflows/{id}/events": {
            "get": _operation(
                "A workflow's changes as server-sent events",
                {"type": "string"},
                parameters=[id],
                problems=(404,),
                media="text/event-stream",
            )
        },
        "/workflows/{id}/cancel": {
            "post": _operation("Cancel all that has not ended", {"type": "object"}, parameters=[id], problems=(404,))
        },
        "/workflows/{id}/retry": {
            "post": _operation("Retry the steps that failed", {"type": "object"}, parameters=[id], problems=(404, 409))
        },
        "/pauses": {
            "get": _operation("The pauses in force", {"type": "object"}),
            "post": _operation(
                "Pause an actor, a queue or everything", {"type": "object"}, status=201, body=PauseBody.model_json_schema(), problems=(422,)
            ),
        },
        "/pauses/{target}": {"delete": _operation("End a pause", {"type": "object"}, parameters=[target], problems=(422,))},
        "/limits": {
            "get": _operation("Rate and concurrency limits: code says, override says", {"type": "object"}),
            "post": _operation("Override limits", {"type": "object"}, body=LimitBody.model_json_schema(), problems=(422,)),
        },
        "/limits/{target}/{setting}": {
            "delete": _operation("Follow the code again", {"type": "object"}, parameters=[target, setting], problems=(422,))
        },
        "/breakers": {"get": _operation("The circuit breakers", {"type": "object"})},
        "/breakers/{actor}/reset": {"post": _operation("Close a breaker by hand", {"type": "object"}, parameters=[actor])},
        **schedule_openapi.paths(_operation),
        "/audit": {
            "get": _operation(
                "Who did what, and who was refused",
                _OBJECT,
                parameters=[_query(name) for name in (*AUDIT_FIELDS, "after", "limit")],
                problems=(422,),
            )
        },
        "/actors": {"get": _operation("The actors", {"type": "object"})},
        "/queues": {"get": _operation("The queues", {"type": "object"})},
        "/workers": {"get": _operation("The workers", {"type": "object"})},
        "/mails": {
            "get": _operation(
                "List letters, newest first", _OBJECT, parameters=[_query("state", {"enum": list(DeliveryState)}), _query("after")]
            )
        },
        "/mails/{id}": {"get": _operation("One letter with its deliveries", _OBJECT, parameters=[id], problems=(404,))},
        "/mails/{id}/resend": {"post": _operation("Send a letter again", _OBJECT, status=202, parameters=[id], problems=(404,))},
        "/reports": {"get": _operation("The reports, each with its newest issue", _OBJECT)},
        "/reports/{name}": {
            "get": _operation(
                "The issues of a report, newest first", _OBJECT, parameters=[{**id, "name": "name"}, _query("after")], problems=(404,)
            )
        },
        "/reports/{name}/{id}": {
            "get": _operation("One issue of a report with its document", _OBJECT, parameters=[{**id, "name": "name"}, id], problems=(404,))
        },
        "/mailbox": {"get": _operation("What the built-in mailbox has kept", _OBJECT, parameters=[_query("after")])},
        "/mailbox/{number}": {
            "get": _operation("One letter of the built-in mailbox", _OBJECT, parameters=[{**id, "name": "number"}], problems=(404,))
        },
    }


_ACTIONS = {
    "retry": "Queue a job again that has ended",
    "cancel": "Cancel a job",
    "run-now": "Queue a scheduled job now",
    "release": "Queue a held job",
    "discard": "Cancel a held job for good",
}


def _operation(
    summary: str, result: Document, *, status: int = 200, body: Document | None = None, parameters: list[Document] | None = None,
    problems: tuple[int, ...] = (), media: str = "application/json",
) -> Document:  # fmt: skip
    responses: Document = {str(status): {"description": "Done", "content": {media: {"schema": result}}}}
    for problem in (*problems, 401, 403, 503, *((400, 413, 415) if body else ())):
        responses[str(problem)] = {"description": "Problem", "content": {"application/problem+json": {"schema": _ref("Problem")}}}
    operation: Document = {"summary": summary, "responses": responses, "parameters": parameters or []}
    if body:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return operation


def _workflow() -> Document:
    schema = WorkflowBody.model_json_schema()
    schema["properties"]["steps"]["anyOf"][0]["items"] = StepBody.model_json_schema()
    return schema


def _submission() -> Document:
    schema = JobBody.model_json_schema()
    actors = [actor.actor_name for actor in catalogue.entries()]
    schema["properties"]["actor"]["enum"] = actors
    # The arguments may come by position; where they come by name, each actor's own schema says which.
    schema["allOf"] = [
        {
            "if": {"properties": {"actor": {"const": name}, "args": {"maxItems": 0}}, "required": ["actor", "kwargs"]},
            "then": {"properties": {"kwargs": _ref(f"Arguments.{name}")}},
        }
        for name in actors
    ]
    return schema


def _argument_schemas() -> Document:
    schemas: Document = {}
    for actor in catalogue.entries():
        name = f"Arguments.{actor.actor_name}"
        schema = _moved(Signature.of(actor).json_schema(), name)
        schemas.update({f"{name}.{inner}": each for inner, each in schema.pop("$defs", {}).items()})
        schemas[name] = schema
    return schemas


def _moved(value: Any, name: str) -> Any:
    """A schema whose references lead to where its definitions are in this document."""
    if isinstance(value, dict):
        return {
            key: each.replace("#/$defs/", f"#/components/schemas/{name}.") if key == "$ref" else _moved(each, name)
            for key, each in value.items()
        }
    return [_moved(each, name) for each in value] if isinstance(value, list) else value


def _ref(name: str) -> Document:
    return {"$ref": f"#/components/schemas/{name}"}


def _segment(name: str) -> Document:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _query(name: str, schema: Document | None = None) -> Document:
    return {"name": name, "in": "query", "schema": schema or {"type": "string"}}


_OBJECT = {"type": "object"}
_TEXT = {"type": ["string", "null"]}
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"}, "detail": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object", "properties": {"field": {"type": "string"}, "message": {"type": "string"}}}},
    },
}  # fmt: skip
_RECEIPT = {
    "type": "object",
    "required": ["id", "state", "url"],
    "properties": {"id": {"type": "string"}, "state": {"enum": list(State)}, "url": {"type": "string", "format": "uri"}},
}
_JOB = {
    "type": "object",
    "required": ["id", "actor", "queue", "state"],
    "properties": {
        "id": {"type": "string"}, "actor": _TEXT, "queue": {"type": "string"}, "state": {"enum": list(State)}, "reason": _TEXT,
        "cancelling": {"type": "boolean"}, "stalled": _TEXT, "result_bytes": {"type": ["integer", "null"]},
        "args": {}, "kwargs": {}, "result": {}, "error": _TEXT, "progress": {"type": ["object", "null"]},
        "waits_for": _TEXT, "slot_at": _TEXT, "paused_by": _TEXT, "held_for": _TEXT, "unique_key": _TEXT, "unique_until": _TEXT, "fair_key": _TEXT,
        "workflow": {"type": ["object", "null"]}, "failures": {"type": "integer"}, "crashes": {"type": "integer"}, "expires_at": _TEXT,
        "created_at": {"type": "string", "format": "date-time"}, "due_at": _TEXT, "started_at": _TEXT, "finished_at": _TEXT,
        "attempts": {"type": "array", "items": {"type": "object"}},
    },
}  # fmt: skip
_LOG = {
    "type": "object",
    "required": ["lines", "next", "more"],
    "properties": {
        "lines": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "attempt": {"type": "integer"}, "number": {"type": "integer"}, "written_at": {"type": "string", "format": "date-time"},
                    "level": {"type": "string"}, "text": {"type": "string"},
                },
            },
        },
        "next": {"type": "string"}, "more": {"type": "boolean"},
    },
}  # fmt: skip
