"""OpenAPI schemas of requests, responses and the arguments of every actor."""

from __future__ import annotations

from typing import Any

from ....actor_schema.signature import Signature
from ....jobs import State
from ....operations.arguments.field import Kind
from ....operations.arguments.fields import fields_of
from ....operations.jobs import actor_catalogue
from ....operations.jobs.job_bodies import CallBody, JobBody
from ....operations.jobs.option_bodies import document_schemas
from ....operations.workflows.workflow_request import StepBody, WorkflowBody

Document = dict[str, Any]


def schemas() -> Document:
    """All schemas by name."""
    return {
        "Problem": _PROBLEM,
        "Job": _JOB,
        "Receipt": _RECEIPT,
        "Page": _PAGE,
        "Log": _LOG,
        "File": _FILE,
        "Submission": _submission(),
        **_argument_schemas(),
        **{f"Call.{actor.actor_name}": _call(actor) for actor in actor_catalogue.entries()},
    }


def ref(name: str) -> Document:
    """A reference to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def workflow_schema() -> Document:
    """The body that submits a workflow."""
    schema = WorkflowBody.model_json_schema()
    schema["properties"]["steps"]["anyOf"][0]["items"] = StepBody.model_json_schema()
    return schema


def _submission() -> Document:
    schema = JobBody.model_json_schema()
    actors = [actor.actor_name for actor in actor_catalogue.entries()]
    schema["properties"]["actor"]["enum"] = actors
    _narrow(schema)
    # Positional arguments get no schema each: the per-actor endpoints describe arguments by name.
    by_name = [
        {
            "properties": {"actor": {"const": name}, "kwargs": ref(f"Arguments.{name}"), "args": {"maxItems": 0}},
            "required": ["actor", "kwargs"],
        }
        for name in actors
    ]
    schema["anyOf"] = [
        *by_name,
        {"properties": {"args": {"minItems": 1}}, "required": ["args"]},
        {"properties": {"kwargs": {"maxProperties": 0}}},
    ]
    return schema


def _call(actor: actor_catalogue.AnyActor) -> Document:
    """The body that submits a job of this actor: arguments and options."""
    schema = CallBody.model_json_schema()
    signature = Signature.of(actor)
    schema["title"], schema["description"] = signature.title, signature.help or signature.title
    schema["properties"]["kwargs"] = ref(f"Arguments.{actor.actor_name}")
    if signature.json_schema().get("required"):
        schema["required"] = ["kwargs"]
    _narrow(schema)
    return schema


def call_parts(actor: actor_catalogue.AnyActor) -> Document | None:
    """The same as multipart parts, for an actor with file parameters; None: it has none."""
    signature = Signature.of(actor)
    names = [each.name for each in fields_of(signature) if each.is_file]
    if not names:
        return None
    several = {each.name for each in fields_of(signature) if each.kind is Kind.FILES}
    body = {k: v for k, v in CallBody.model_json_schema().items() if k != "required"}
    files = {name: {"type": "array", "items": _BINARY} if name in several else _BINARY for name in names}
    body["description"] = "the JSON body of a request without files: the other arguments in kwargs, and the options"
    return {"type": "object", "properties": {"body": body, **files}, "additionalProperties": False}


def _narrow(schema: Document) -> None:
    """Add constraints across fields: known queues and mutually exclusive options."""
    schema["properties"]["queue"] = {**schema["properties"]["queue"], "anyOf": [{"enum": actor_catalogue.queues()}, {"type": "null"}]}
    schema["not"] = {"required": ["delay", "eta"], "properties": {name: {"not": {"type": "null"}} for name in ("delay", "eta")}}


def _argument_schemas() -> Document:
    found: Document = {}
    for actor in actor_catalogue.entries():
        name = f"Arguments.{actor.actor_name}"
        schema = _moved(Signature.of(actor).json_schema(), name)
        found.update({f"{name}.{inner}": each for inner, each in schema.pop("$defs", {}).items()})
        found[name] = schema
    return found


def _moved(value: Any, name: str) -> Any:
    """A schema with its references rewritten to this document's definitions."""
    if isinstance(value, dict):
        return {
            key: each.replace("#/$defs/", f"#/components/schemas/{name}.") if key == "$ref" else _moved(each, name)
            for key, each in value.items()
        }
    return [_moved(each, name) for each in value] if isinstance(value, list) else value


_BINARY: Document = {"type": "string", "format": "binary"}
#: the multipart body of a file upload
FILE_PARTS: Document = {"type": "object", "properties": {"file": _BINARY}, "required": ["file"]}
_FILE = {
    "type": "object",
    "required": ["id", "name", "size", "content_type", "sha256"],
    "properties": {
        "id": {"type": "string"}, "name": {"type": "string"}, "size": {"type": "integer"}, "content_type": {"type": "string"}, "sha256": {"type": "string"},
    },
}  # fmt: skip
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
        "waiting_because": {"type": "array", "items": {"type": "string"}, "description": "every reason why the job is not running, the first to fix first"},
        "cancelling": {"type": "boolean"}, "stalled": _TEXT, "result_bytes": {"type": ["integer", "null"]},
        "args": {}, "kwargs": {}, "result": {}, "error": _TEXT, "progress": {"type": ["object", "null"]},
        "waits_for": _TEXT, "slot_at": _TEXT, "paused_by": _TEXT, "held_for": _TEXT, **document_schemas(),
        "workflow": {"type": ["object", "null"]}, "trace_id": _TEXT, "failures": {"type": "integer"}, "crashes": {"type": "integer"}, "expires_at": _TEXT,
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
_PAGE = {
    "type": "object",
    "required": ["jobs", "next"],
    "properties": {"jobs": {"type": "array", "items": {"type": "object"}}, "next": _TEXT},
}
#: response headers
HEADERS = {
    "ETag": {"description": "The version of the resource", "schema": {"type": "string"}},
    "RateLimit": {
        "description": "Remaining quota of the client: r requests, t seconds until it is refilled",
        "schema": {"type": "string"},
    },
    "RateLimit-Policy": {"description": "The limit: q requests in w seconds", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds", "schema": {"type": "integer", "minimum": 0}},
    "Location": {"description": "URL of the created resource", "schema": {"type": "string"}},
    "Idempotency-Replayed": {"description": "true if the key was used before and this is the earlier result", "schema": {"type": "string"}},
}
