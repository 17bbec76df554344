"""The OpenAPI document: every route is in it, with a schema for each body that it reads and each response that it returns."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema_rs import meta

import src.actors
from src.web.api.requests.routes import Tag
from tests.harness.contract import METHODS, operations, path_of
from tests.harness.site import Site

Document = dict[str, Any]
#: made from the signatures of actors
_OF_ACTORS = re.compile(r"(Arguments|Call)\.|Submission$")


@pytest.fixture(scope="module")
def document() -> Document:
    from src.web.api.openapi.document import document

    return document()


def test_every_route_is_described_and_every_description_is_a_route(site: Site) -> None:
    described = {(re.sub("^/actors/[^/]+/jobs$", "/actors/add/jobs", path), method.upper()) for path, method in operations()}
    routes = set()
    for rule in site.app.url_map.iter_rules():
        if rule.endpoint.startswith("api.") and rule.endpoint != "api.describe":
            words = re.search(r"<any\(([^)]*)\):(action|verb)>", rule.rule)
            chosen = [{words[2]: word.strip(" '")} for word in words[1].split(",")] if words else [{}]
            routes |= {(path_of(rule.rule, each), method) for each in chosen for method in (rule.methods or set()) & {*METHODS}}
    assert described == routes


def test_an_operation_has_a_body_schema_exactly_if_its_view_reads_a_body(site: Site, document: Document) -> None:
    program, wrong = site.program(), []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method != "get":
                address = "/api/v1" + re.sub(r"{\w+}", "1", path.replace("{target}", "all"))
                answer = program.client.open(address, method=method.upper(), data="x", headers=program.headers, content_type="text/plain")
                if (answer.status_code == 415) != ("requestBody" in operation):
                    wrong.append(f"{method} {path} {answer.status_code}")
    assert wrong == []


def test_every_response_with_content_has_a_schema(document: Document) -> None:
    without = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for status, response in operation["responses"].items():
                schemas = [each["schema"] for each in response.get("content", {}).values()]
                if status not in ("204", "304") and (not schemas or not all(schemas)):
                    without.append(f"{method} {path} {status}")
    assert without == []


def test_no_schema_is_bare_but_where_the_content_is_any_json(document: Document) -> None:
    schemas = {name: each for name, each in document["components"]["schemas"].items() if not _OF_ACTORS.match(name)}
    bare = [f"{name}{place}" for name, schema in schemas.items() for place in _bare(schema)]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            contents = [operation.get("requestBody", {}), *operation["responses"].values()]
            found = [each["schema"] for content in contents for each in content.get("content", {}).values()]
            bare += [f"{method} {path}{place}" for schema in found for place in _bare(schema)]
    assert bare == []


def _bare(schema: Document, place: str = "", said: str = "") -> Iterator[str]:
    """Places in a schema that allow more than they describe, without saying that any JSON is meant."""
    said += schema.get("description", "")
    if "JSON" in said:
        return
    inner = {f".{name}": each for name, each in schema.get("properties", {}).items()}
    inner |= {f"{place}[]": each for each in (schema.get("items"), schema.get("additionalProperties")) if isinstance(each, dict)}
    choices = [each for name in ("anyOf", "oneOf", "prefixItems") for each in schema.get(name, ())]
    kind = schema.get("type")
    if not (kind or choices or "$ref" in schema or "enum" in schema or "const" in schema):
        yield place
    if kind == "object" and "properties" not in schema and not isinstance(schema.get("additionalProperties"), dict):
        yield place
    if kind == "array" and not isinstance(schema.get("items"), dict) and "prefixItems" not in schema:
        yield place
    for step, each in inner.items():
        yield from _bare(each, place + step)
    for each in choices:
        yield from _bare(each, place, said)


def test_every_operation_names_its_role_summary_and_tag(document: Document) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            [security] = operation["security"]
            assert security["token"][0] in ("viewer", "submitter", "operator", "admin"), path
            assert operation["summary"], (method, path)
            assert operation["tags"][0] in list(Tag)
    ids = [each["operationId"] for methods in document["paths"].values() for each in methods.values()]
    assert len(ids) == len(set(ids))


def test_an_actors_name_of_any_text_makes_a_valid_document(monkeypatch: pytest.MonkeyPatch) -> None:
    """An application of Celery names a task `every second`, or `shop/orders`."""
    from src.web.api.openapi.document import document

    for name in ("every second", "shop/orders", "größe {x}#"):
        named = copy.copy(src.actors.broker.actors["add"])
        named.actor_name = name
        monkeypatch.setitem(src.actors.broker.actors, name, named)
    found = document()

    assert all(re.fullmatch("[A-Za-z0-9._-]+", name) for name in found["components"]["schemas"])
    assert {"/actors/every%20second/jobs", "/actors/shop~2Forders/jobs"} <= found["paths"].keys()
    for schema in found["components"]["schemas"].values():
        meta.validate(schema)
