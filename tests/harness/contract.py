"""Compare each response of the API with the schema that the OpenAPI document promises, strictly: no property that it does not declare."""

from __future__ import annotations

import json
import re
import threading
from functools import cache
from typing import Any

from flask import Flask, Response, request
from jsonschema_rs import Draft202012Validator

from src.web.api.openapi import document as openapi

Document = dict[str, Any]
#: one request at a time makes the description: it takes a second, and a cache does not keep others from making it, too
_describing = threading.Lock()
_REFERENCE = re.compile(r'"#/components/schemas/([^"]+)"')
_VARIABLE = re.compile(r"<(?:[^<>]+:)?(\w+)>")


class Contract:
    """The responses of one application so far."""

    def __init__(self, app: Flask) -> None:
        self.breaches: list[str] = []
        #: operation ids that have returned their declared status
        self.done: set[str] = set()
        app.after_request(self._compare)

    def _compare(self, response: Response) -> Response:
        rule = request.url_rule
        if rule is not None and request.blueprint == "api" and request.endpoint != "api.describe" and request.method in METHODS:
            path = path_of(rule.rule, request.view_args or {})
            with _describing:
                operation = operations()[path, request.method.lower()]
            if problem := self._problem(operation, response):
                self.breaches.append(f"{request.method} {path} {response.status_code}: {problem}")
        return response

    def _problem(self, operation: Document, response: Response) -> str | None:
        described = operation["responses"].get(str(response.status_code))
        if described is None and response.status_code < 400:
            return "this status is not described"
        content = (described or operation["responses"]["default"]).get("content", {})
        if response.status_code < 300:
            self.done.add(operation["operationId"])
        if not content:
            return "a body where none is described" if response.status_code != 304 and response.get_data() else None
        if response.mimetype not in content:
            return f"{response.mimetype} is not described"
        if response.is_streamed or not str(response.mimetype).endswith("json"):
            return None
        found = validator(json.dumps(content[response.mimetype]["schema"])).iter_errors(response.get_json())
        return "; ".join(f"{each.instance_path}: {each.message:.200}" for each in found) or None


METHODS = ("GET", "POST", "PATCH", "DELETE")


def path_of(rule: str, values: dict[str, Any]) -> str:
    """The path of the operation that a request with these values of a rule's variables means."""
    path = rule.removeprefix("/api/v1")
    for word in re.finditer(r"<any\([^)]*\):(\w+)>", rule):
        if word[1] != "setting":
            path = path.replace(word[0], str(values[word[1]]))
    # Each actor has an address of its own; their responses have the same schema.
    return re.sub("^/actors/{name}/jobs$", "/actors/add/jobs", _VARIABLE.sub(r"{\1}", path))


@cache
def described() -> Document:
    """The document with every schema closed: it allows only the properties that it declares."""
    closed: Document = _closed(openapi.document())
    return closed


@cache
def operations() -> dict[tuple[str, str], Document]:
    """The operations by path and method."""
    return {(path, method): each for path, methods in described()["paths"].items() for method, each in methods.items()}


@cache
def validator(schema: str) -> Draft202012Validator:
    """A validator of a schema of the document, given as JSON."""
    return Draft202012Validator({**json.loads(schema), "components": {"schemas": _needed(schema)}})


def _needed(schema: str) -> Document:
    """The components that a schema refers to, also indirectly: with all of them, validators took 170 MB."""
    components = described()["components"]["schemas"]
    needed, open_ = Document(), [schema]
    while open_:
        for name in set(_REFERENCE.findall(open_.pop())) - needed.keys():
            needed[name] = components[name]
            open_.append(json.dumps(components[name]))
    return needed


def _closed(value: Any) -> Any:
    if isinstance(value, list):
        return [_closed(each) for each in value]
    if not isinstance(value, dict):
        return value
    inner = {name: _closed(each) for name, each in value.items()}
    return {"additionalProperties": False, **inner} if isinstance(value.get("properties"), dict) and "type" in value else inner
