"""Actors that are declared before src.actors is imported run as jobs, or are refused with the cure."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from src.jobs.core.models import Job
from src.sql.database import Database
from tests.harness import ROOT, fork_server

#: a team's module: it knows Callboard's options, and imports only src.jobs
SHOP = """
import dramatiq
from src.jobs import current_job

@dramatiq.actor(queue_name="shop", fair_by=lambda customer: customer, broker_priority=7)
def sell(customer):
    return current_job.id
"""


def python(folder: Path, program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    (folder / "shop.py").write_text(SHOP)
    # The fork server has imported src.jobs and src.broker, but not src.actors: the module is as early as in a new process.
    return fork_server.server().run(["-c", f"import sys; sys.path.append({str(folder)!r})\n{program}"], {**os.environ, **environment})


def cold_python(folder: Path, program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    (folder / "shop.py").write_text(SHOP)
    path = os.pathsep.join([str(ROOT), str(folder)])
    return subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": path, **environment}, capture_output=True, text=True, timeout=60
    )


def test_importing_the_actors_later_adopts_them_and_their_queues_without_a_warning(tmp_path: Path) -> None:
    program = """
import shop, dramatiq
dramatiq.get_broker().declare_queue("mail")
import src.actors
print(shop.sell.broker is src.actors.broker, "mail" in src.actors.broker.queues, src.actors.broker.actors["sell"].options)
"""
    done = python(tmp_path, program)

    assert done.stdout.startswith("True True {'fair_by'"), done.stderr
    assert "actors_adopted" not in done.stdout + done.stderr


@pytest.mark.parametrize("first", ["import shop; import src.web; src.web.create_app()", "import src.actors"], ids=["web", "worker"])
def test_a_module_that_is_also_named_by_the_setting_is_loaded_once(tmp_path: Path, first: str) -> None:
    done = python(tmp_path, f"{first}\nimport shop, src.actors; print(shop.sell.broker is src.actors.broker)", CALLBOARD_ACTORS="shop")

    assert done.stdout.endswith("True\n"), done.stderr


SUBMIT = """
from src.database import write
from src.jobs import submit
with write() as session:
"""


@pytest.mark.long
@pytest.mark.parametrize(
    "call", ["shop.sell.send('ada')", f"{SUBMIT}    submit(session, shop.sell.message('ada'))"], ids=["send", "submit"]
)
def test_a_plain_script_submits_a_job_with_the_defaults_of_its_actor(database: Database, tmp_path: Path, call: str) -> None:
    program = f"import os, shop\n{call}\nprint('sent', flush=True)\nos._exit(0)"

    done = cold_python(tmp_path, program, CALLBOARD_BROKER_URL="amqp://127.0.0.1:1/")

    assert done.stdout.endswith("sent\n"), done.stderr
    with database.read() as session:
        job = session.execute(select(Job)).scalar_one()
    assert (job.actor, job.queue, job.fair_key, job.priority) == ("sell", "shop", "ada", 7)


def test_a_broker_that_is_set_later_is_named(tmp_path: Path) -> None:
    program = (
        "import shop, dramatiq\nfrom dramatiq.brokers.stub import StubBroker\ndramatiq.set_broker(StubBroker())\nshop.sell.send('ada')"
    )

    done = python(tmp_path, program)

    assert "Cannot send sell: the actor was declared before dramatiq.set_broker(StubBroker)" in done.stderr


def test_a_worker_of_the_module_itself_names_the_command(tmp_path: Path) -> None:
    done = python(tmp_path, "import shop, dramatiq; dramatiq.get_broker().consume('shop')")

    assert "Start it with `dramatiq src.actors`, and name this module in CALLBOARD_ACTORS" in done.stderr


def test_an_option_that_exists_nowhere_is_still_refused(tmp_path: Path) -> None:
    done = python(tmp_path, "import src.jobs, dramatiq\n@dramatiq.actor(fair_bye=1)\ndef act(): ...")

    assert "options are undefined: fair_bye (do you mean fair_by?)" in done.stderr
