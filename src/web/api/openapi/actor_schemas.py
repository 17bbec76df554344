"""Paths and schemas of the actors: the general ones, narrowed to the arguments of each."""

from __future__ import annotations

import re

from ....actor_schema.signature import Signature
from ....formats.url_segments import segment
from ....operations.arguments.field import Kind
from ....operations.arguments.fields import fields_of
from ....operations.jobs import actor_catalogue
from ....operations.jobs.actor_catalogue import AnyActor
from ....operations.people import permissions
from .type_schemas import Document, ref, replaced

#: the path of which each actor has its own
_PATH = "/actors/{name}/jobs"
#: schemas that are narrowed to the actors: a call of one, and a submission of any
_CALL, _SUBMISSION = "CallBody", "Submission"
_BINARY: Document = {"type": "string", "format": "binary"}


def by_actor(paths: Document, schemas: Document) -> tuple[Document, Document]:
    """The paths and schemas with one address and one call for each actor that the caller may submit."""
    actors, call = actor_catalogue.entries(), schemas[_CALL]
    own = {_PATH.format(name=segment(each.actor_name)): {"post": _operation(each, paths[_PATH]["post"], call)} for each in actors}
    calls = {_component("Call", each.actor_name): _call(each, call) for each in actors}
    narrowed = {_SUBMISSION: _submission(actors, schemas[_SUBMISSION]), **_arguments(actors), **calls}
    return _without(paths, _PATH) | own, _without(schemas, _CALL) | narrowed


def _operation(actor: AnyActor, general: Document, call: Document) -> Document:
    signature, name = Signature.of(actor), actor.actor_name
    content = {"application/json": {"schema": ref(_component("Call", name))}}
    if parts := _parts(signature, call):
        content["multipart/form-data"] = {"schema": parts}
    return {
        **general,
        "operationId": general["operationId"].replace("-name-", f"-{name}-"),
        "summary": signature.title,
        "description": signature.help,
        "security": [{"token": [permissions.submit_role(name).value]}],
        "parameters": [each for each in general["parameters"] if each["in"] != "path"],
        "requestBody": {**general["requestBody"], "content": content},
    }


def _submission(actors: list[AnyActor], schema: Document) -> Document:
    names = [each.actor_name for each in actors]
    # Positional arguments get no schema each: the per-actor endpoints describe arguments by name.
    by_name = [
        {
            "properties": {"actor": {"const": name}, "kwargs": ref(_component("Arguments", name)), "args": {"maxItems": 0}},
            "required": ["actor", "kwargs"],
        }
        for name in names
    ]
    any_of = [*by_name, {"properties": {"args": {"minItems": 1}}, "required": ["args"]}, {"properties": {"kwargs": {"maxProperties": 0}}}]
    return {**_narrowed(schema, actor={**schema["properties"]["actor"], "enum": names}), "anyOf": any_of}


def _call(actor: AnyActor, schema: Document) -> Document:
    """The body that submits a job of this actor: arguments and options."""
    signature = Signature.of(actor)
    needed = {"required": ["kwargs"]} if signature.json_schema().get("required") else {}
    named = {"title": signature.title, "description": signature.help or signature.title}
    return {**_without(_narrowed(schema, kwargs=ref(_component("Arguments", actor.actor_name))), "examples"), **named, **needed}


def _parts(signature: Signature, call: Document) -> Document | None:
    """The same as multipart parts, for an actor with file parameters; None: it has none."""
    files = {
        each.name: {"type": "array", "items": _BINARY} if each.kind is Kind.FILES else _BINARY
        for each in fields_of(signature)
        if each.is_file
    }
    if not files:
        return None
    text = "the JSON body of a request without files: the other arguments in kwargs, and the options"
    return {"type": "object", "properties": {"body": {**call, "description": text}, **files}, "additionalProperties": False}


def _narrowed(schema: Document, **fields: Document) -> Document:
    """The schema with these fields, the known queues, and `delay` and `eta` excluding each other."""
    queue = {**schema["properties"]["queue"], "anyOf": [{"enum": actor_catalogue.queues()}, {"type": "null"}]}
    both = {"required": ["delay", "eta"], "properties": {name: {"not": {"type": "null"}} for name in ("delay", "eta")}}
    return {**schema, "properties": {**schema["properties"], **fields, "queue": queue}, "not": both}


def _arguments(actors: list[AnyActor]) -> Document:
    found: Document = {}
    for actor in actors:
        name, schema = _component("Arguments", actor.actor_name), Signature.of(actor).json_schema()
        # Definitions of one signature become named schemas of this document.
        inner = schema.get("$defs", {})
        moved = {f"#/$defs/{each}": ref(f"{name}.{each}") for each in inner}
        found.update({f"{name}.{each}": replaced(one, moved) for each, one in inner.items()})
        found[name] = replaced(_without(schema, "$defs"), moved)
    return found


def _component(kind: str, actor: str) -> str:
    """Name of a schema of this actor: OpenAPI allows letters, digits, `.`, `-` and `_`."""
    return f"{kind}." + re.sub(r"[^A-Za-z0-9._-]", lambda found: f"_{ord(found[0]):x}_", actor)


def _without(document: Document, name: str) -> Document:
    return {key: value for key, value in document.items() if key != name}
