"""A job copied as curl, Python or a command, and pasted, is the same job: for each type of parameter."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import dramatiq
import pytest
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import select

import src.actors
from src.actor_schema.signature import Signature
from src.cli.jobs.submit import submit
from src.cli.shared.actor_arguments import arguments_of, call_of
from src.jobs.core.models import Job
from src.operations.arguments.field import identical
from src.sql.clock import now
from src.sql.database import read
from src.web.render.jobs.job_snippets import Copies, copies
from tests.harness.parameters import FEW, STORED, amounts, check, function
from tests.harness.site import Program, Site

assert src.actors  # first: it makes the broker

EVERY = dramatiq.actor(actor_name="every_type", queue_name="linger")(function(default=True))
_VALUES = st.fixed_dictionaries({}, optional=STORED)


@dramatiq.actor(queue_name="linger", priority=3)
def tell_all(timeout: int, priority: int, data: str, wait: bool = False, *rest: str, key: SecretStr | None = None, **more: Any) -> None:
    """Take arguments that are called as options of the command are."""


def _newest() -> Job:
    with read() as session:
        return session.execute(select(Job).order_by(Job.seq.desc()).limit(1)).scalar_one()


def _copied(site: Site, job: Job) -> Copies:
    with site.app.test_request_context():
        found = copies(job)
    assert found is not None
    return found


def _posted(program: Program, curl: str) -> Job:
    words = shlex.split(curl)
    answer = program.post("/api/v1/jobs", json.loads(words[words.index("-d") + 1]))
    assert answer.status_code == 202, answer.text
    return _newest()


def _executed(python: str) -> Job:
    exec(python, {})
    return _newest()


def _typed(command: str | None) -> tuple[list[str], dict[str, Any], dict[str, Any]]:
    """The arguments by position and by name that the command reads, and its own options."""
    program, verb, *words = shlex.split(command or "")
    assert (program, verb) == ("./run", "submit")
    own = submit.make_context("submit", words).params
    args, kwargs = call_of(arguments_of(own["actor"]), own["arguments"], own["by_position"], own["by_name"])
    return args, kwargs, own


def _same(actor: dramatiq.Actor[..., Any], job: Job, args: Any, kwargs: Any) -> bool:
    signature = Signature.of(actor)
    return identical(signature.by_name(*signature.check(args, kwargs)), signature.by_name(job.args, job.kwargs))


@amounts
def test_each_copy_is_the_same_job(cases: int, site: Site) -> None:
    program = site.program()

    def same(values: dict[str, Any]) -> None:
        if program.post("/api/v1/jobs", {"actor": "every_type", "kwargs": values}).status_code != 202:
            return  # it does not fit: there is no job to copy
        job = _newest()
        copied = _copied(site, job)
        for again in (_posted(program, copied.curl), _executed(copied.python)):
            assert again.id != job.id
            assert identical([again.args, again.kwargs, again.queue, again.priority], [job.args, job.kwargs, job.queue, job.priority])
        args, kwargs, _ = _typed(copied.command)
        assert _same(EVERY, job, args, kwargs)

    check(cases // 2 if cases == FEW else cases, same, values=_VALUES)


def test_what_a_job_has_of_its_own_is_copied_too(site: Site) -> None:
    program = site.program()
    program.post(
        "/api/v1/jobs",
        {"actor": "tell_all", "args": [1, 2, "-x", True, "a b", "--wait"], "kwargs": {"class": None}, "priority": 7, "queue": "default", "fair_key": "ada"},
    )  # fmt: skip
    job = _newest()
    copied = _copied(site, job)
    for again in (_posted(program, copied.curl), _executed(copied.python)):
        assert (again.args, again.kwargs, again.priority, again.queue, again.fair_key) == (job.args, job.kwargs, 7, "default", "ada")
    args, kwargs, own = _typed(copied.command)
    assert _same(tell_all, job, args, kwargs)
    assert (own["priority"], own["queue"], own["fair_key"]) == (7, "default", "ada")


def test_long_arguments_are_copied_by_a_file(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, visit = site.program(), site.browser()
    monkeypatch.chdir(tmp_path)
    words = ["a b"] * 10_000
    program.post(
        "/api/v1/jobs", {"actor": "tell_all", "args": [1, 2, "x", True, *words], "kwargs": {"class": None, "key": "open"}, "priority": 7}
    )
    job = _newest()
    copied = _copied(site, job)
    assert copied.download == f"/jobs/{job.id}/submission"
    assert (copied.command, "-d @job.json" in copied.curl) == (None, True)
    assert max(len(copied.curl), len(copied.python), len(copied.message)) <= 20_000
    Path("job.json").write_bytes(visit.get(copied.download).data)
    monkeypatch.setattr("getpass.getpass", lambda prompt: "open")
    again = _executed(copied.python)
    assert (again.id != job.id, again.args, again.kwargs, again.priority) == (True, job.args, job.kwargs, 7)
    sent = json.loads(Path("job.json").read_text())
    sent["kwargs"]["key"] = "open"  # masked in the file, and refused like this
    assert program.post("/api/v1/jobs", sent).status_code == 202
    again = _newest()
    assert (again.args, again.kwargs, again.priority) == (job.args, job.kwargs, 7)


def test_arguments_that_are_called_as_an_option_is_are_the_actors_and_the_option_stands_before_it() -> None:
    args, kwargs, own = _typed(
        "./run submit --timeout 60 --wait tell_all --data x --timeout 30 --priority 3 --delay 5m --wait --rest a --rest b"
    )
    assert Signature.of(tell_all).check(args, kwargs) == ([30, 3, "x", True, "a", "b"], {})
    assert (own["timeout"], own["waits"], own["priority"], own["delay"]) == (60.0, True, None, "5m")
    args, kwargs, own = _typed("./run submit tell_all --timeout=30 --priority 3 --data x -- --wait no")
    assert Signature.of(tell_all).check(args, kwargs) == ([], {"timeout": 30, "priority": 3, "data": "x", "wait": False})
    assert own["waits"] is False


def test_a_secret_is_asked_for_and_its_dots_are_no_secret(site: Site) -> None:
    program = site.program()
    program.post("/api/v1/jobs", {"actor": "tell_all", "kwargs": {"timeout": 1, "priority": 2, "data": "x", "key": "hush"}})
    copied = _copied(site, _newest())
    assert "--key -" in (copied.command or "")
    assert "getpass" in copied.python
    words = shlex.split(copied.curl)
    refused = program.post("/api/v1/jobs", json.loads(words[words.index("-d") + 1]))
    assert refused.status_code == 422
    assert "enter it again" in refused.text


def test_a_job_of_an_actor_that_is_not_loaded_is_copied_with_its_arguments_as_json(site: Site) -> None:
    job = Job(id="x", actor="gone", queue="linger", args=[1], kwargs={"a": "\ud800"}, options={}, priority=5, attempt=0, created_at=now())
    assert shlex.split(_copied(site, job).command) == [
        "./run", "submit", "--queue", "linger", "--priority", "5", "--args", "[1]", "--kwargs", '{"a": "\\ud800"}', "gone",
    ]  # fmt: skip
