"""Program of a team that still imports Celery; it runs in a virtual environment without anything of ours.

    python producer.py BROKER_URL BACKEND mix ROUNDS | describe

Prints as JSON what it has sent: the ids of tasks that must have an effect, and of messages that cannot be jobs.
"""

# mypy: ignore-errors
from __future__ import annotations

import json
import sys
import uuid
import warnings
from datetime import UTC, datetime, timedelta

import celery
import tasks  # the actors' file with Celery's import line
from celery import Celery, chain, chord, group
from celery.signals import after_task_publish

warnings.simplefilter("ignore")
URL, BACKEND, MODE = sys.argv[1:4]
tasks.app.conf.update(broker_url=URL, result_backend=BACKEND, accept_content=["json", "pickle"])
first = Celery("first", broker=URL)
first.conf.update(task_protocol=1)
counted = Celery("counted", broker=URL, backend="cache+memory://")

sent = {"celery": celery.__version__, "messages": 0, "effects": [], "results": {}, "dead": [], "held": {}}


@after_task_publish.connect
def count(**_):
    sent["messages"] += 1


def expect(result, value=None):
    sent["effects"].append(result.id)
    if value is not None:
        sent["results"][result.id] = value


def send(number):
    add, total = tasks.add, tasks.total
    expect(add.delay(number, 1), number + 1)
    expect(add.apply_async((number, 2), eta=datetime.now(UTC) + timedelta(seconds=number % 4)), number + 2)
    expect(add.apply_async((number, 3), countdown=number % 3, expires=3600), number + 3)
    expect(add.apply_async((number,), {"y": 4}, priority=number % 10, time_limit=600), number + 4)
    expect(tasks.flaky.delay(2), 2)

    end = chain(add.s(number, 1), add.s(10), add.s(100)).apply_async()
    expect(end, number + 111)
    expect(end.parent)
    expect(end.parent.parent)

    for member in group(add.s(number, n) for n in range(3)).apply_async().results:
        expect(member)

    body = chord([add.s(number, n) for n in range(3)])(total.s())
    expect(body, 3 * number + 3)
    for member in body.parent.results:
        expect(member)

    callback, errback = add.s(5), tasks.after_failure.s()
    followed = [callback.freeze(), errback.freeze()]
    expect(add.apply_async((number, 0), link=callback), number)
    expect(followed[0], number + 5)
    failing = tasks.fail.apply_async(link_error=errback)
    expect(failing)
    expect(followed[1], failing.id)
    sent["dead"].append(failing.id)

    expect(first.send_task("moved.add", (number, 6)), number + 6)
    twice = str(uuid.uuid4())
    for _ in range(2):
        again = add.apply_async((number, 7), task_id=twice)
    expect(again, number + 7)

    if number % 6 == 0:
        sent["held"][add.apply_async((number, 8), serializer="pickle").id] = "application/x-python-serialize"
        sent["held"][tasks.app.send_task("moved.gone", (number,)).id] = "no actor named 'moved.gone'"
        body = chord([counted.signature("moved.add", (number, n)) for n in range(2)], app=counted)(counted.signature("moved.total"))
        for member in body.parent.results:
            expect(member)
        sent["held"][body.parent.id] = "do not say how many tasks"


def describe():
    """Send one message of each kind, for a comparison with those that cheap tests build by hand."""
    tasks.app.conf.task_default_queue = first.conf.task_default_queue = "described"
    tasks.add.apply_async((1, 2), task_id="v2")
    first.send_task("moved.add", (1, 2), task_id="v1")
    chain(tasks.add.s(1, 2), tasks.add.s(3)).apply_async()


if MODE == "describe":
    describe()
else:
    for number in range(int(sys.argv[4])):
        send(number)
print(json.dumps(sent))
