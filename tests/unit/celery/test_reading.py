"""Bodies and properties that are not a JSON call of a task are refused with the reason."""

from __future__ import annotations

from typing import Any

import pytest

from src.broker.consume.celery_messages import CeleryMessage
from src.celery.inbox.reading import Unreadable, read
from tests.harness.celery_messages import v2


@pytest.mark.parametrize(
    ("properties", "body", "reason"),
    [
        ({"content_type": "application/x-yaml"}, b"- []", "its content type is application/x-yaml, and only application/json is read"),
        ({"content_type": None}, b"[]", "its content type is None,"),
        ({"content_encoding": "nonsense"}, b"[[], {}, {}]", r"not JSON of Celery \(unknown encoding"),
        ({"headers": {"task": "t.t", "id": "x", "compression": "application/x-gzip"}}, b"x", "it is compressed"),
        ({}, b"[[], {}, {}", "its body is not JSON of Celery"),
        ({}, b"[" * 100_000, "its body is not JSON of Celery"),
        ({}, b'[[{"__type__": "odd", "__value__": 1}], {}, {}]', "the unknown type 'odd'"),
        ({}, b'[[{"__type__": "uuid", "__value__": 1}], {}, {}]', "its body is not JSON of Celery"),
        ({}, b"[[], {}]", r"not the list \[args, kwargs, embedded\]"),
        ({}, b"[{}, {}, {}]", "args must be a list"),
        ({}, b'[[], {}, {"chain": {}}]', "must be lists"),
        ({"headers": {}}, b"[[], {}, {}]", "neither its headers nor its body name a task"),
        ({"headers": {"task": 7, "id": "x"}}, b"[[], {}, {}]", "its task is not a text"),
        ({"headers": {"task": "t.t", "id": "\0"}}, b"[[], {}, {}]", "its id is not a text"),
        ({"headers": {"task": "t.t", "id": "x", "timelimit": "soon"}}, b"[[], {}, {}]", "timelimit must be a list of two"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(properties: Any, body: bytes, reason: str) -> None:
    made, _ = v2("add", properties=properties)

    with pytest.raises(Unreadable, match=reason):
        read(CeleryMessage("celery", made, body, False))


@pytest.mark.parametrize(
    "headers", [{"stamps": 7}, {"retries": "x"}, {"retries": -1}, {"stamped_headers": 1, "stamps": None}, {"timelimit": None}]
)
def test_fields_of_other_types_count_as_none(headers: Any) -> None:
    made, body = v2("add", 1, 2, **headers)

    assert read(CeleryMessage("celery", made, body, False)).options.keys() == {"task_id", "root_id"}
