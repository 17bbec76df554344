"""The API matches its description: requests generated from it get no undocumented answer."""

from __future__ import annotations

import traceback
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

import src.actors
from src.web.api.requests.routes import TAGS
from src.web.auth import throttle
from tests.harness.site import Site

#: requests of each kind, right and wrong, for each operation
EXAMPLES = 100
#: rules that a schema cannot express for these bodies: between fields, cron expressions, names that must exist, arguments by position
BEYOND_SCHEMAS = {
    "GET /jobs", "POST /jobs", "POST /jobs/bulk", "PATCH /jobs/{id}", "POST /workflows", "POST /schedules", "POST /schedules/preview",
    "PATCH /schedules/{id}", "POST /schedules/{id}/backfill", "POST /pauses", "POST /limits", "POST /mails/{id}/resend", "GET /audit", "POST /webhooks", "POST /alerts/{id}/mute",
    "GET /jobs/many", "POST /jobs/many", "POST /files", "POST /users", "PATCH /users/{id}", "POST /tokens",
    "GET /queues/{name}/forecast", "GET /workers/{name}/memory",
}  # fmt: skip
#: options that calls of actors leave out: a schema cannot say that they lie ahead, and after the start
TIMES = ("expires", "keep_until")
#: answered with 503, as described, for a queue that exists: there is no RabbitMQ here
BEYOND_PROCESS = {"POST /queues/{name}/requeue"}


@pytest.fixture(autouse=True)
def _only_our_own_actors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of other tests are here when all run in one process, some with arguments that Schemathesis cannot make up."""
    own = {name: actor for name, actor in src.actors.broker.actors.items() if (actor.fn.__module__ or "").startswith("src.")}
    monkeypatch.setattr(src.actors.broker, "actors", own)


def _check(site: Site, *, examples: int, modes: tuple[str, ...], tag: str | None = None) -> int:
    # Here, because every pytest process collects this file, and one runs it: a fifth of a second of imports in each of the others.
    import schemathesis
    from schemathesis import Case, GenerationMode
    from schemathesis.checks import not_a_server_error
    from schemathesis.core.result import Err
    from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

    program = site.program()
    schema = schemathesis.openapi.from_wsgi("/openapi.json", site.app, headers=program.headers)
    schema.hook("map_body")(_without_times)
    asked, problems = 0, []
    for found in schema.get_all_operations():
        assert not isinstance(found, Err), found
        operation = found.ok()
        if tag is not None and tag not in (operation.tags or ()):
            continue
        for mode in modes:
            # More is taken than is described: parameters that mean nothing, durations such as ` 1.5 h`.
            left_out: list[Any] = [negative_data_rejection]
            if operation.label in BEYOND_SCHEMAS:
                left_out.append(positive_data_acceptance)
            if operation.label in BEYOND_PROCESS:
                left_out.append(not_a_server_error)

            @settings(
                max_examples=examples,
                deadline=None,
                database=None,
                derandomize=True,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=GenerationMode(mode)))
            def ask(case: Case[Any]) -> None:
                nonlocal asked
                asked += 1
                throttle._refused.clear()  # with each request comes one with a wrong token: thirty of them, and this address has to wait
                case.call_and_validate(headers=program.headers, excluded_checks=left_out)  # noqa: B023

            try:
                ask()
            except (AssertionError, BaseExceptionGroup) as error:
                problems.append("".join(traceback.format_exception_only(error)))
    assert problems == [], "\n\n".join(problems)
    return asked


def _without_times(context: Any, body: Any) -> Any:
    if context.operation.path.startswith("/actors/") and isinstance(body, dict):
        return {name: value for name, value in body.items() if name not in TIMES}
    return body


@pytest.mark.long
def test_a_few_generated_requests_to_every_address_are_answered_as_described(site: Site) -> None:
    assert _check(site, examples=2, modes=("positive",)) > 100


@pytest.mark.slow
@pytest.mark.parametrize("tag", TAGS)
def test_many_generated_requests_valid_and_invalid_are_answered_as_described(site: Site, tag: str) -> None:
    assert _check(site, examples=EXAMPLES, modes=("positive", "negative"), tag=tag) > EXAMPLES
