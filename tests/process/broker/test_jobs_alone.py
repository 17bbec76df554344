"""A program that imports only src.jobs submits as one that imports src.actors does."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from src.jobs import State
from tests.harness import ROOT
from tests.harness.callboard import Callboard

#: submits in a session of its own, waits for RabbitMQ's confirmation, and prints what it has loaded
SUBMITS = """
import json, sys
import dramatiq
from dramatiq import Message
from dramatiq.brokers.stub import StubBroker
from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from src.jobs import submit

session = Session(create_engine({url!r}))
before = dramatiq.broker.global_broker
{first}
with session:
    id = submit(session, Message("default", "add", (1, 2), {{}}, {{}})).id
    session.commit()

from src.broker.publish.publisher import get_publisher
get_publisher().close()
print(json.dumps([id, dramatiq.broker.global_broker is before, "src.actors" in sys.modules]))
"""


@pytest.mark.parametrize(
    "first",
    [
        pytest.param("import src.actors", id="actors", marks=pytest.mark.slow),  # as all other tests submit
        pytest.param("", id="alone"),
        pytest.param("before = StubBroker(); dramatiq.set_broker(before)", id="foreign"),
    ],
)
def test_a_job_is_published_at_its_commit_whatever_is_imported(quiet: Callboard, first: str) -> None:
    program = SUBMITS.format(url=quiet.environment["CALLBOARD_DATABASE_URL"], first=first)
    environment = {**os.environ, **quiet.environment}
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    id, is_same_broker, has_actors = json.loads(done.stdout.splitlines()[-1])

    job = quiet.job(id)
    assert (job.state, job.publish_at) == (State.QUEUED, None)
    assert quiet.messages("default") >= 1  # a slow confirmation may have it published again, which is harmless
    assert has_actors is (first == "import src.actors")
    assert is_same_broker is not has_actors
