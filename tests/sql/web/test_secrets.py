"""A secret argument is in plain text only for its actor."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import dramatiq
import pytest
from dramatiq import Message
from pydantic import SecretStr
from sqlalchemy import select, text

import tests.actors.web as acting
from src.actor_schema.signature import Signature
from src.actors.arithmetic import add
from src.broker.recover.dead_letter_contents import Letter
from src.jobs.control.held import hold_foreign
from src.jobs.core import placeholders
from src.jobs.core.errors import InvalidArguments
from src.jobs.core.models import Job
from src.jobs.read import queries
from src.operations.jobs.documents import job_documents
from src.operations.people.roles import Role
from src.operations.schedules import schedule_documents
from src.schedules.rows.drafts import Draft
from src.settings import get_settings
from src.sql.database import read, write
from tests.harness.site import Site

PLANTED = "plant3d-s3cret"
TYPED = {"key": PLANTED, "login-present": "1", "login-given": "1", "login.user": "ann", "login.password": PLANTED}


def _in_database(site: Site) -> str:
    """All that the tables hold, as text."""
    with site.database.engine.connect() as connection:
        kept = [
            connection.execute(text(f"SELECT * FROM {name}")).all() for name in ("jobs", "schedules", "unique_periods", "schedule_changes")
        ]
    return str(kept)


def _opened(job: Job) -> str:
    args, kwargs = Signature.of(acting.unlock).coerce(job.args, job.kwargs)
    return acting.unlock.fn(*args, **kwargs)


def _job(id: str) -> Job:
    with read() as session:
        found = queries.find(session, id)
    assert found is not None
    return found


def test_a_form_seals_its_secrets_and_the_worker_opens_them(site: Site) -> None:
    visit = site.browser(Role.OPERATOR)
    hidden = visit.hidden("/actors/unlock")
    answers = [visit.client.post("/actors/unlock", data={**hidden, **TYPED}) for _ in range(2)]
    assert {answer.status_code for answer in answers} == {303}
    [id] = {answer.location.rsplit("/", 1)[1] for answer in answers}  # a double click is one job, also with a secret
    assert PLANTED not in _in_database(site)
    assert _opened(_job(id)) == f"front: {PLANTED[::-1]} {PLANTED[::-1]}"
    for path in (f"/jobs/{id}", f"/jobs/{id}/edit", "/jobs", f"/api/v1/jobs/{id}", "/api/v1/jobs"):
        page = visit.get(path).text
        assert PLANTED not in page, path
        assert "$sealed" not in page, path


def test_a_form_that_comes_back_does_not_bring_the_secret(site: Site) -> None:
    answer = site.browser().fill_in("/actors/unlock", **{**TYPED, "how-priority": "99"})
    assert answer.status_code == 422
    assert PLANTED not in answer.text
    assert 'value="ann"' in answer.text


def test_sent_by_code_it_is_sealed_too_and_unique_keys_use_the_seal(site: Site) -> None:
    first, second = (acting.unlock.send(SecretStr(PLANTED), door="back") for _ in range(2))
    assert PLANTED not in _in_database(site)
    job = _job(first.message_id)
    assert _opened(job) == f"back: {PLANTED[::-1]} "
    assert PLANTED not in (job.unique_key or "")
    assert second.message_id == first.message_id  # the same call: the first stands for it


def _unlock(door: str, key: Any = PLANTED) -> Message[Any]:
    return acting.unlock.message_with_options(args=(key, {"user": "ann", "password": PLANTED}, door))


def _in_pipeline() -> None:
    dramatiq.pipeline([add.message(1, 2), _unlock("a", SecretStr(PLANTED)).copy(options={"pipe_ignore": True}), _unlock("b")]).run()


def _after_group() -> None:
    group = dramatiq.group([_unlock("c"), add.message(1, 2)])
    group.add_completion_callback(_unlock("d"))
    group.run()


def _from_elsewhere() -> None:
    with write() as session:
        hold_foreign(session, [("linger", _unlock("e"))], run=False)


@pytest.mark.parametrize("sends", [_in_pipeline, _after_group, _from_elsewhere])
def test_within_other_messages_and_in_foreign_ones_it_is_sealed_too(site: Site, sends: Callable[[], None]) -> None:
    sends()
    assert "unlock" in _in_database(site)
    assert PLANTED not in _in_database(site)


def test_a_sealed_step_of_a_pipeline_opens_its_secret(site: Site) -> None:
    _in_pipeline()
    with read() as session:
        first = session.execute(select(Job).where(Job.actor == "add")).scalar_one()
    step: Message[Any] = Message(**first.options["pipe_target"])
    args, kwargs = Signature.of(acting.unlock).coerce(step.args, step.kwargs)
    assert acting.unlock.fn(*args, **kwargs) == f"a: {PLANTED[::-1]} {PLANTED[::-1]}"


def test_an_edit_keeps_what_it_does_not_show(site: Site) -> None:
    visit = site.browser(Role.OPERATOR)
    answer = visit.fill_in("/actors/unlock", **TYPED, **{"how-delay": "1h"})
    path = f"{answer.location}/edit"
    assert visit.fill_in(path, key="", door="side", **{"job-priority": "5"}).status_code == 303
    job = _job(answer.location.rsplit("/", 1)[1])
    assert _opened(job) == f"side: {PLANTED[::-1]} {PLANTED[::-1]}"
    assert PLANTED not in _in_database(site)


def test_a_schedule_keeps_its_secret_sealed(site: Site) -> None:
    visit = site.browser(Role.OPERATOR)
    own = {
        "schedule-name": "nightly",
        "schedule-cron": "0 3 * * *",
        "schedule-zone": "UTC",
        "schedule-overlap": "allow",
        "schedule-missed": "once",
    }
    answer = visit.fill_in("/schedules/new?actor=unlock", **own, **TYPED)
    assert answer.status_code == 303, answer.text
    assert PLANTED not in _in_database(site)
    assert PLANTED not in visit.get(answer.location).text
    assert visit.fill_in(f"{answer.location}/edit", **{**own, "schedule-cron": "0 4 * * *"}, door="x").status_code == 303
    job = visit.client.post(f"{answer.location}/run-now", data=visit.hidden(answer.location, action=f"{answer.location}/run-now"))
    assert _opened(_job(job.location.rsplit("/", 1)[1])).startswith(f"x: {PLANTED[::-1]} {PLANTED[::-1]}")


def test_another_key_opens_nothing_and_says_so(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    job = _job(acting.unlock.send(SecretStr(PLANTED)).message_id)
    monkeypatch.setattr(get_settings(), "secret_key", "another")
    with pytest.raises(InvalidArguments, match="sealed with another CALLBOARD_SECRET_KEY"):
        _opened(job)


def test_a_seal_opens_for_its_own_parameter_only(site: Site) -> None:
    job = _job(acting.unlock.send(SecretStr(PLANTED)).message_id)
    answer = site.program().post("/api/v1/jobs", {"actor": "unlock", "kwargs": {"key": "x", "login": job.args[0]}})
    assert answer.status_code == 422
    assert "for another parameter" in json.dumps(answer.get_json())


def test_a_secret_beside_the_result_of_an_earlier_step_is_sealed(site: Site) -> None:
    login = {"user": {"$result_of": "a"}, "password": PLANTED}
    steps = [
        {"name": "a", "actor": "add", "args": [1, 2]},
        {"name": "b", "actor": "unlock", "kwargs": {"key": {"$result_of": "a"}, "login": login}},
    ]
    assert site.program().post("/api/v1/workflows", {"name": "flow", "steps": steps}).status_code == 202
    with site.database.engine.connect() as connection:
        kept = [connection.execute(table.select()).all() for table in Job.metadata.sorted_tables]
    assert "$result_of" in str(kept)
    assert PLANTED not in str(kept)

    signature = Signature.of(acting.unlock)
    waiting = signature.seal([], {"key": PLANTED, "login": login})
    released = signature.seal([], placeholders.resolve(waiting[1], {"a": {"result": "ann"}}))
    assert PLANTED not in str([waiting, released])
    _, kwargs = signature.coerce(*released)
    assert (kwargs["login"].user, kwargs["login"].password.get_secret_value()) == ("ann", PLANTED)
    assert PLANTED in signature.secret_texts(*released)


def test_a_secret_among_named_arguments_of_any_name_is_masked() -> None:
    @dramatiq.actor(actor_name="keep_secrets", broker=acting.unlock.broker)
    def keep(*each: SecretStr, **more: SecretStr) -> None: ...

    try:
        letter = Letter("k", "1", "keep_secrets", [PLANTED], {"any": PLANTED}, "", None, None)
        assert PLANTED not in str(job_documents.arguments(letter))
        draft = Draft(name="d", actor="keep_secrets", args=[PLANTED], kwargs={"any": PLANTED}, every_s=60)
        assert PLANTED not in str(schedule_documents.arguments(draft))
    finally:
        del acting.unlock.broker.actors[keep.actor_name]
