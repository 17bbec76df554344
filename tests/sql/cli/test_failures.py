"""Error groups and dead letters at a terminal; tests/process/broker/test_dead_letters.py has the latter with RabbitMQ."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import insert, select, update

from src.jobs.core.fingerprints import fingerprint
from src.jobs.core.models import Attempt, Job
from src.jobs.core.states import Outcome, State
from src.jobs.failures import counting
from src.sql.clock import now
from tests.sql.cli.conftest import Terminal

_TRACEBACK = 'Traceback (most recent call last):\n  File "/srv/shop/orders.py", line 3, in check\n    raise ValueError(number)\nValueError: no order 7\n'


def _dead(terminal: Terminal) -> tuple[str, str]:
    """Make a dead job; return its id and the fingerprint of its failure."""
    id, group = terminal.run("submit", "add", "--x", "1", "--y", "2"), fingerprint("add", "ValueError: no order 7", _TRACEBACK)
    assert group is not None
    with terminal.database.write() as session:
        seq = session.execute(select(Job.seq).where(Job.id == id)).scalar_one()
        session.execute(update(Job).where(Job.id == id).values(state=State.DEAD, attempt=1, failures=1, finished_at=now()))
        row = {
            "job_seq": seq,
            "number": 1,
            "worker": "web1:7",
            "started_at": now(),
            "finished_at": now(),
            "noted": False,
            "outcome": Outcome.FAILED,
        }
        session.execute(insert(Attempt).values(error="ValueError: no order 7", traceback=_TRACEBACK, fingerprint=group.id, **row))
        counting.note_new(session)
    return id, group.id


@pytest.mark.long
def test_error_groups_are_listed_shown_muted_resolved_reopened_and_retried(terminal: Terminal) -> None:
    assert terminal.run("errors") == ""
    job, id = _dead(terminal)

    line = terminal.run("errors").split()
    assert (line[0], line[1], line[2], line[4]) == (id, "open", "1", "add")
    assert terminal.run("errors", "--search", "orders valueerror").endswith("ValueError: no order 7")
    assert terminal.run("errors", "--search", "nothing") == ""

    shown = json.loads(terminal.run("errors", "show", id))
    assert [(each["job_id"], each["traceback"]) for each in shown["newest"]] == [(job, _TRACEBACK)]
    assert "There is no error group none" in terminal.run("errors", "show", "none", code=1)

    assert terminal.run("errors", "resolve", id) == f"{id} resolved"
    assert terminal.run("errors") == ""
    assert terminal.run("errors", "--status", "resolved").startswith(id)
    assert terminal.run("errors", "reopen", id) == f"{id} reopened"
    assert terminal.run("errors", "mute", id, "2h").startswith(f"{id} muted until ")
    terminal.run("errors", "reopen", id)

    assert "Confirm with --count 1 or --yes" in terminal.run("errors", "retry", id, code=1)
    bulk = terminal.run("errors", "retry", id, "--count", "1")
    with terminal.database.read() as session:
        assert session.execute(select(Job.kwargs).where(Job.id == bulk)).scalar_one()["query"] == f"error:{id} state:failed"


def test_dead_letters_need_a_known_queue_and_rabbitmq(terminal: Terminal) -> None:
    assert "There is no queue named 'defualt'" in terminal.run("dead-letters", "defualt", code=1)
    assert "RabbitMQ" in terminal.run("dead-letters", "default", code=1)


def test_control_characters_of_messages_do_not_reach_the_terminal(terminal: Terminal) -> None:
    id, _ = _dead(terminal)
    with terminal.database.write() as session:
        said = "ValueError: \x1b[2J\x1b]0;title\x07\nall\x9b31m well"
        session.execute(update(Attempt).values(error=said))
        session.execute(update(Job).where(Job.id == id).values(error=said, reason=said))
    shown = "ValueError: \\x1b[2J\\x1b]0;title\\x07 all\\x9b31m well"
    assert shown in terminal.run("errors")
    assert shown in terminal.run("events", "--since", "60", "--no-follow", "--type", "job.dead")
    assert shown in terminal.run("jobs")


def test_a_forecast_says_how_long_a_backlog_takes_or_why_it_stays(terminal: Terminal) -> None:
    assert terminal.run("forecast", "default") == "0 waiting, arrival rate 0 jobs/s, 0 threads\nnow     no backlog"
    terminal.run("submit", "add", "--x", "1", "--y", "2")
    assert "now     never drained: no worker consumes this queue" in terminal.run("forecast", "default")
    assert "change  drained in" in terminal.run("forecast", "default", "--threads", "4")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (
            ("events", "--no-follow", "--type", "job.failed"),
            "Invalid value for --type: 'job.failed' is not a type of events. Use one of: job.submitted",
        ),
        (("events", "--no-follow", "--since", "nan"), "'nan' is not a number of seconds"),
        (("forecast", "default", "--workers", "many"), "Invalid value for --workers: workers must be a number"),
        (("forecast", "default", "--rate", "fast"), "Invalid value for --rate: 'fast' is not a rate limit: write e.g. 10/m"),
        (("forecast", "default", "--pause", "-1"), "Invalid value for --pause: pause: Give a duration such as 90"),
        (("errors", "--status", "closed"), "Invalid value for '--status'"),
        (("errors", "retry", "x", "--count", "-1"), "Invalid value for '--count'"),
        (("dead-letters", "default", "requeue", "x", "--args", "[1e400]"), "Invalid value for --args: not JSON that a message can hold"),
        (("dead-letters", "default", "requeue", "x", "--kwargs", "[]"), "Invalid value for --kwargs: must be a JSON object"),
        (("dead-letters", "default", "requeue", "x", "--args", "[" * 100_000), "Invalid value for --args: not JSON"),
        (("dead-letters", "default", "requeue", "x", "--args", "[1"), "Invalid value for --args: not JSON"),
        (("dead-letters",), "Missing argument 'QUEUE'"),
        (("demo", "--port", "70000"), "Invalid value for '--port'"),
    ],
)
@pytest.mark.long
def test_a_wrong_option_ends_with_a_line_that_names_it(terminal: Terminal, words: tuple[str, ...], complaint: str) -> None:
    told = terminal.run(*words, code=2)
    assert complaint in told
    assert "Traceback" not in told
