"""OpenAPI paths and schemas of schedules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ....operations.schedules.schedule_documents import Condition
from ....operations.schedules.schedule_request import ScheduleBody
from ....schedules.rows.vocabulary import TickState
from ..schedules import BackfillBody, PreviewBody
from .operations import IF_MATCH

Document = dict[str, Any]


def paths(operation: Callable[..., Document]) -> Document:
    """Build the paths; `operation` builds one operation."""
    id = {
        "name": "id",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "minLength": 1, "pattern": "^[^/]+$"},
        "description": "id or name",
    }
    schedule = _ref("Schedule")
    acted = {
        f"/schedules/{{id}}/{name}": {"post": operation(summary, schedule, parameters=[id], problems=(404, 409))}
        for name, summary in (
            ("pause", "Pause a schedule"),
            ("resume", "Resume a schedule"),
            ("follow-code", "Remove the overrides of a schedule"),
        )
    }
    states = {
        "name": "state",
        "in": "query",
        "schema": {"type": "array", "items": {"enum": [state.value for state in TickState]}},
        "description": "only ticks in one of these states",
    }
    before = {"name": "before", "in": "query", "schema": {"type": "string", "format": "date-time"}}
    limit = {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 500}}
    return {
        "/schedules": {
            "get": operation("The schedules", _object(schedules=_list(schedule)), reads=True),
            "post": operation("Create a schedule", schedule, status=201, body=_ref("ScheduleBody"), problems=(422,)),
        },
        "/schedules/preview": {
            "post": operation("Preview the ticks of a rule", _ref("Preview"), body=_ref("PreviewBody"), problems=(422,))
        },
        "/schedules/load": {
            "get": operation(
                "Ticks of all schedules per hour, next seven days",
                _object(hours=_list(_object(at=_INSTANT, ticks=_NUMBER))),
                reads=True,
            )
        },
        "/schedules/{id}": {
            "get": operation("One schedule", schedule, parameters=[id], problems=(404,), reads=True),
            "patch": operation("Edit a schedule", schedule, body=_changes(), parameters=[id, IF_MATCH], problems=(404, 409, 412, 422)),
            "delete": operation("Delete a schedule with its history", {}, status=204, parameters=[id, IF_MATCH], problems=(404, 409, 412)),
        },
        **acted,
        "/schedules/{id}/run-now": {
            "post": operation(
                "Run a schedule once, independent of its ticks",
                _object(job_id=_TEXT, url=_TEXT),
                status=202,
                parameters=[id],
                problems=(404, 409),
            )
        },
        "/schedules/{id}/backfill": {
            "post": operation(
                "Backfill: run the ticks of a time range that have no job",
                _object(job_ids=_list(_TEXT), had_a_job=_NUMBER),
                status=202,
                body=_ref("BackfillBody"),
                parameters=[id],
                problems=(404, 409, 422),
            )
        },
        "/schedules/{id}/ticks": {
            "get": operation(
                "List the ticks of a schedule, newest first",
                _object(ticks=_list({"type": "object"}), next={"type": ["string", "null"]}),
                parameters=[id, before, limit, states],
                problems=(404, 422),
                reads=True,
            )
        },
    }


def schemas() -> Document:
    """The schemas that the paths refer to."""
    found: Document = {}
    for model in (ScheduleBody, PreviewBody, BackfillBody):
        schema = model.model_json_schema(by_alias=True, ref_template="#/components/schemas/{model}")
        found.update(schema.pop("$defs", {}))
        found[model.__name__] = schema
    tick = _object(at=_INSTANT, local=_TEXT, due_at=_INSTANT)
    found["Preview"] = _object(words=_TEXT, ticks=_list(tick), notes=_list(_TEXT))
    found["Schedule"] = {
        "type": "object",
        "required": ["id", "name", "actor", "condition", "words"],
        "properties": {
            "id": _NUMBER, "name": _TEXT, "actor": _TEXT, "words": _TEXT, "condition": {"enum": list(Condition)}, "next": _list(_INSTANT),
            "declared": {"type": "boolean"}, "version": _NUMBER,
        },
    }  # fmt: skip
    return found


def _changes() -> Document:
    """The schedule schema with every field optional."""
    schema = ScheduleBody.model_json_schema(by_alias=True, ref_template="#/components/schemas/{model}")
    return {"type": "object", "properties": {**schema["properties"], "version": _NUMBER}, "additionalProperties": False}


def _ref(name: str) -> Document:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(items: Document) -> Document:
    return {"type": "array", "items": items}


def _object(**properties: Document) -> Document:
    return {"type": "object", "properties": properties}


_TEXT = {"type": "string"}
_NUMBER = {"type": "integer"}
_INSTANT = {"type": "string", "format": "date-time"}
