"""Tasks written for Celery, with another import line."""

from __future__ import annotations

import os
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from src.celery import Celery, Task, current_task, maybe_signature, shared_task, signals
from src.celery.exceptions import Ignore, Reject, SoftTimeLimitExceeded, Unsupported
from src.jobs.attempts.current_job import current_job
from src.logs import get_logger

app = Celery("proj", backend="rpc://", set_as_current=True)
app.conf.task_queues = ["urgent"]
app.conf.task_routes = {"tests.actors.celery_tasks.routed": {"queue": "hipri", "priority": 8}}

#: calls of hooks, in order
hooks: list[tuple[Any, ...]] = []


@app.task
def add(x: Any, y: Any) -> Any:
    """Add two things."""
    return x + y


@app.task
def mul(x: Any, y: Any) -> Any:
    return x * y


@app.task
def subtract(x: Any, y: Any) -> Any:
    return x - y


@app.task
def xsum(numbers: list[Any]) -> Any:
    return sum(numbers)


@app.task
def keep(*args: Any, **kwargs: Any) -> list[Any]:
    return [list(args), kwargs]


@shared_task
def shared(x: int) -> int:
    return -x


@app.task
def routed() -> None:
    """Go to its own queue."""


@app.task
def fail(*_: Any) -> None:
    raise KeyError("broken")


@app.task
def unless(path: str) -> str:
    """Fail as long as a file exists."""
    if Path(path).exists():
        raise RuntimeError("the file exists")
    return "done"


@app.task
def echo(value: Any) -> Any:
    return value


@app.task
def year(when: datetime) -> int:
    """Needs a value that JSON cannot hold."""
    return when.year


@app.task
def unlock(password: SecretStr) -> int:
    """Return the length of its secret."""
    return len(password.get_secret_value())


class Refused(Exception):
    """An error of the application."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code} {text}")


@app.task
def refuse() -> None:
    raise Refused(7, "no")


@app.task(bind=True)
def about(self: Task) -> dict[str, Any]:
    request = self.request
    names = (
        "id",
        "task",
        "args",
        "kwargs",
        "retries",
        "root_id",
        "parent_id",
        "group",
        "group_index",
        "headers",
        "called_directly",
        "is_eager",
        "timelimit",
    )
    return {
        **{name: getattr(request, name) for name in names},
        "queue": (request.delivery_info or {})["routing_key"],
        "current": current_task.name,
    }


@app.task(bind=True)
def sends_itself(self: Task) -> str:
    """Send a task with the id of this one, and return why that is refused."""
    try:
        echo.apply_async((1,), task_id=self.request.id)
    except Unsupported as error:
        return str(error)
    return ""


@app.task(bind=True, max_retries=2, default_retry_delay=60)
def flaky(self: Task, successes_at: int, **how: Any) -> int:
    if self.request.retries < successes_at:
        try:
            raise ConnectionError("no answer")
        except ConnectionError as error:
            raise self.retry(exc=error, **how) from error
    return self.request.retries


@app.task(bind=True, expires=120)
def counts_up(self: Task, number: int, **how: Any) -> list[int]:
    """Retry with another number, and with the options of `how`."""
    if self.request.retries == 0:
        raise self.retry(args=(number + 1,), kwargs={}, countdown=0, **how)
    return [number, self.request.retries]


@app.task(bind=True)
def changes_a_part(self: Task, first: int, second: int, label: str = "", **change: Any) -> list[Any]:
    """Retry with the arguments that `change` names."""
    if self.request.retries == 0:
        raise self.retry(countdown=0, **change)
    return [first, second, label]


@app.task(bind=True)
def looks_at_itself(self: Task) -> list[Any]:
    result = self.AsyncResult(str(self.request.id))
    return [result.state, result.exists()]


@app.task(bind=True, time_limit=60)
def its_limits(self: Task) -> list[Any]:
    return [self.request.time_limit, self.request.soft_time_limit, (self.request.properties or {})["app_id"]]


@app.task(bind=True, max_retries=1)
def gives_up(self: Task) -> None:
    self.retry(countdown=0)


@app.task(bind=True)
def postpones(self: Task) -> str:
    if self.request.retries == 0:
        self.retry(countdown=0, throw=False)
    return f"attempt {self.request.retries}"


@app.task(
    autoretry_for=(ConnectionError,),
    dont_autoretry_for=(ConnectionResetError,),
    retry_backoff=10,
    retry_jitter=False,
    retry_kwargs={"max_retries": 2},
)
def automatic(kind: str) -> None:
    raise {"timeout": ConnectionError, "reset": ConnectionResetError, "other": ValueError}[kind](kind)


@app.task
def ignores() -> None:
    raise Ignore()


@app.task(bind=True)
def rejects(self: Task, requeue: bool) -> int:
    if not (self.request.delivery_info or {})["redelivered"]:
        raise Reject("not now", requeue=requeue)
    return self.request.retries


@app.task(bind=True)
def reports(self: Task, name: str = "PROGRESS", **meta: Any) -> None:
    self.update_state(state=name, meta=meta)


class Watched(Task):
    """Base that records its hooks."""

    colour = "blue"

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        hooks.append(("before_start", list(args)))

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        hooks.append(("on_success", retval))

    def on_failure(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        hooks.append(("on_failure", repr(exc), "Traceback" in str(einfo)))

    def on_retry(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        hooks.append(("on_retry", str(exc)))

    def after_return(self, status: str, retval: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        hooks.append(("after_return", status))


@app.task(bind=True, base=Watched, colour="red")
def watched(self: Any, end: str) -> str:
    if end == "retry" and self.request.retries == 0:
        raise self.retry(countdown=0)
    if end == "fail":
        raise ValueError(end)
    return str(self.colour)


class Counter(app.Task):  # type: ignore[misc, name-defined]
    """A task written as a class, with a state of its own."""

    name = "proj.counter"

    def __init__(self) -> None:
        self.calls = 0

    def run(self, step: int) -> int:
        self.calls += step
        return self.calls


counter = app.register_task(Counter())


@app.task
def log_error(request: Any, exc: Any, traceback: Any) -> list[Any]:
    """Error callback in the new form."""
    return [request.id, type(exc).__name__, str(exc), "Traceback" in str(traceback)]


@app.task
def log_id(task_id: str) -> str:
    """Error callback in the old form."""
    return task_id


@app.task
def log_id_with(task_id: str, label: str) -> list[str]:
    """Error callback in the old form, with an argument of its own."""
    return [task_id, label]


@app.task
def sends_another(x: int) -> str:
    return str(add.delay(x, x).id)


@app.task
def waits_for_another(x: int) -> Any:
    return add.delay(x, x).get()


@app.task
def takes_signature(callback: Any, number: int) -> str:
    return str(maybe_signature(callback).delay(number).id)


@app.task(bind=True)
def replaced_by(self: Task, call: Any) -> Any:
    return self.replace(maybe_signature(call))


@app.task(bind=True)
def joined_by(self: Task, call: Any) -> int:
    self.add_to_chord(maybe_signature(call))
    return 0


@app.task(typing=False)
def untyped(x: int, y: int) -> int:
    return x + y


@app.task(bind=True)
def its_priority(self: Task) -> Any:
    return (self.request.delivery_info or {})["priority"]


@app.task(bind=True)
def its_request(self: Task, *names: str, **_: Any) -> dict[str, Any]:
    return {name: self.request.get(name) for name in names}


@app.task(bind=True)
def stamps(self: Task) -> Any:
    return self.request.stamps


@app.task(soft_time_limit=0.3)
def slow() -> str:
    try:
        time.sleep(30)
    except SoftTimeLimitExceeded:
        return "cleaned up"
    return "too late"


@app.task(time_limit=0.5)
def hangs() -> None:
    time.sleep(30)


@app.task(rate_limit="2/h", queue="urgent", priority=9, expires=60, name="proj.limited")
def limited() -> None:
    """Has every option of a declaration."""


@app.task
def sleeps(seconds: float) -> None:
    time.sleep(seconds)


@app.task
def is_revoked() -> None:
    """Notice at a check-point that an operator has cancelled it."""
    assert current_job.job is not None
    current_job.job.cancel_requested = True
    current_job.check()


@app.task(bind=True)
def works(self: Task) -> None:
    self.update_state(state="PROGRESS", meta={"current": 1, "total": 9})
    while True:
        time.sleep(0.05)


@app.task
def tick(word: str) -> str:
    return word


@app.on_after_configure.connect
def schedule_ticks(sender: Celery, **_: Any) -> None:
    sender.add_periodic_task(1.0, tick.s("tick"), name="every second")


@signals.worker_process_init.connect
@signals.worker_ready.connect
@signals.worker_shutdown.connect
def note(signal: Any, **_: Any) -> None:
    get_logger(__name__).info(f"signal:{signal.name}")


#: process ids in which worker_process_init was sent, and the names of worker_init's sender
BEGUN: list[int] = []
SEEN: list[str] = []


@signals.worker_process_init.connect
def begin(**_: Any) -> None:
    BEGUN.append(os.getpid())


@signals.worker_init.connect
def see(sender: Any, **_: Any) -> None:
    SEEN.append(f"{sender.app.main}@{sender.hostname}")


@app.task
def begun() -> tuple[bool, list[str]]:
    return [os.getpid()] == BEGUN, SEEN


@app.task(time_limit=30)
def begun_in_child() -> tuple[bool, list[str]]:
    return [os.getpid()] == BEGUN, SEEN
