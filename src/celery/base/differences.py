"""Table of differences from Celery: interfaces that are refused, and those that behave differently.

docs/reference/celery-differences.md lists the same rows; a test compares them.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches

from ... import COMMAND

#: name of Callboard's package, `src` in a checkout
PACKAGE = __name__.partition(".")[0]


class Unsupported(NotImplementedError):
    """An interface of Celery without a counterpart here; the message names it and the cure."""


class UnknownName(UserWarning):
    """A name that Celery does not know either: it is kept, and has no effect."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One row. `text`: the reason, or the behaviour here. `cure`: the replacement; None if the call works, but differently."""

    text: str
    cure: str | None = None


def _refused(text: str, cure: str, *names: str) -> dict[str, Difference]:
    return dict.fromkeys(names, Difference(text, cure))


def _changed(text: str, *names: str) -> dict[str, Difference]:
    return dict.fromkeys(names, Difference(text))


_STATE_IN_ROW = "the state and the result of a job are in its row, without a backend object"
_COMMANDS = "operators act on jobs and workers through the console, the API and the commands"
_ROUTING = "a job goes to a queue by name"
#: name of the row about an id that is used twice
TAKEN_ID = "apply_async(task_id= of an earlier job)"
_CONNECTIONS = "a submission is a row; the publisher owns the connection to RabbitMQ"

#: every difference by the name of the interface
DIFFERENCES: dict[str, Difference] = {
    **_refused(_COMMANDS, f"use `{COMMAND} config` and the pages", *(f"app.control.inspect().{name}" for name in ("clock", "conf", "hello", "memdump", "memsample", "objgraph", "report"))),
    **_refused(_COMMANDS, f"use `{COMMAND} celery control …`, or the verbs that it names", "app.control.broadcast"),
    **_refused(_COMMANDS, "set time_limit= and soft_time_limit= of the task, or pass them to apply_async()", "app.control.time_limit"),
    **_refused(_COMMANDS, f"workers have a fixed number of threads: start or stop one, `{COMMAND} worker --threads N`", "app.control.pool_grow", "app.control.pool_shrink", "app.control.autoscale"),
    **_refused(_COMMANDS, "nothing needs to be switched on: use webhooks, `/metrics` or the live pages", "app.control.enable_events", "app.control.disable_events"),
    **_refused(_COMMANDS, "take it out: leases are heartbeats, and any number of schedulers may run", "app.control.heartbeat", "app.control.election"),
    **_refused(_COMMANDS, "use app.control.shutdown(): the supervisor starts it again", "app.control.pool_restart"),
    **_refused("a task is an actor of one name", "declare the function again, with name=", "app.tasks[name] = task"),
    **_refused("a worker is a command of Dramatiq", f"run `dramatiq {PACKAGE}.actors`", "app.start", "app.worker_main", "app.Worker", "app.WorkController"),
    **_refused("any number of schedulers fire each tick once", f"run `{COMMAND} scheduler`", "app.Beat"),
    **_refused("webhooks and metrics report jobs and alerts", "use webhooks, `/metrics` or the live pages", "app.events"),
    **_refused(_CONNECTIONS, "take it out", "app.connection", "app.connection_for_read", "app.connection_for_write", "app.broker_connection", "app.pool", "app.producer_pool", "app.producer_or_acquire", "app.connection_or_acquire", "app.default_connection", "app.default_producer"),
    **_refused(_ROUTING, "use task_routes or queue=", "app.amqp", "app.select_queues"),
    **_refused(_STATE_IN_ROW, "use app.AsyncResult(id)", "app.backend", "Task.backend", "AsyncResult.backend"),
    **_refused("workers have no boot steps", "use the signals worker_process_init and worker_shutdown, or a Dramatiq middleware", "app.steps"),
    **_refused("messages are not signed", "restrict access to RabbitMQ and the database", "app.setup_security"),
    **_refused("the command line belongs to Callboard", f"use `{COMMAND} celery report`", "app.bugreport"),
    **_refused("no promise is called when a job ends", "use link= for a task that follows, or get()", "AsyncResult.then", "ResultSet.then"),
    **_refused(_STATE_IN_ROW, "use iterate()", "ResultSet.iter_native"),
    **_refused("a worker is a command of Dramatiq", "use app.control.shutdown(), or stop its unit", "exceptions.WorkerShutdown", "exceptions.WorkerTerminate"),
    **_refused("the command line belongs to Callboard", "use environment variables", "app.user_options", "app.config_from_cmdline"),
    **_refused("Callboard reads CALLBOARD_ACTORS", "name the modules there, or in include=", "app.loader", "Celery(loader=)"),
    **_refused("Callboard configures logs", "use CALLBOARD_LOG_LEVEL and CALLBOARD_LOG_FORMAT", "app.log", "Celery(log=)"),
    **_refused(_CONNECTIONS, "take it out", "Celery(amqp=)", "Celery(events=)", "Celery(control=)", "Celery(tasks=)", "Celery(fixups=)"),
    **_refused("a job exists from the moment that it is added", "leave lazy= out", "add_to_chord(lazy=)"),
    **_refused("a job has no connection of its own", "take it out; reject with raise Reject()", "Task.add_trail", "Task.send_event", "Task.get_publisher", "Task.subtask_from_request", "Task.signature_from_request", "Task.start_strategy", "Task.Strategy"),
    **_refused(_CONNECTIONS, "take the option out; a module that sends to another broker keeps Celery", "apply_async(producer=)", "apply_async(publisher=)", "apply_async(connection=)"),
    **_refused(_CONNECTIONS, "take the option out", "apply_async(router=)", "apply_async(delivery_mode=)", "apply_async(mandatory=)", "apply_async(immediate=)", "apply_async(reply_to=)", "apply_async(correlation_id=)"),
    **_refused(_ROUTING, "use queue=", "apply_async(exchange=)", "apply_async(exchange_type=)", "apply_async(routing_key=)"),
    **_refused("messages hold ids and small JSON", "take the option out", "apply_async(compression=)"),
    **_refused("arguments are JSON", "pass serializer='json', or leave it out", "apply_async(serializer=)", "task(serializer=)"),
    **_refused(_ROUTING, "use queue=", "task(exchange=)", "task(exchange_type=)", "task(routing_key=)"),
    **_refused("messages hold ids and small JSON", "take the option out", "task(compression=)"),
    **_refused("a job is shown under its task's name", "give the task a name=", "apply_async(shadow=)", "Task.shadow_name"),
    **_refused("pages show arguments unless the parameter is secret", "hint it as pydantic's SecretStr", "apply_async(argsrepr=)", "apply_async(kwargsrepr=)"),
    **_refused("a retry keeps the queue, limits and links of its job", "send a new task with apply_async", "retry(queue=)", "retry(options)"),
    **_refused("an id is that of one job, which keeps its history and result: Celery would run the second call and replace the result", f"leave task_id= out, or give each call its own, e.g. with the hour in it; a failed job runs again by `{COMMAND} retry ID`", TAKEN_ID),
    **_refused("a job has one state, which its own attempt reports", "call update_state() of the running task", "update_state(task_id=)"),
    **_refused("progress is stored, not sent to the caller", "poll .state and .info", "AsyncResult.get(on_message=)", "AsyncResult.get(on_interval=)"),
    **_refused("a cancel is an exception in the task; the child process of a task with time_limit is killed", "leave signal= out", "revoke(signal=)"),
    **_refused("workers do not select jobs by their stamps", f"use `{COMMAND} bulk cancel QUERY`", "app.control.revoke_by_stamped_headers", "AsyncResult.revoke_by_stamped_headers"),
    **_refused("its events depend on the sun's position", "use crontab(), or a task that computes the time and calls apply_async(eta=)", "solar"),
    **_refused("cron means either day when both are given", "restrict one of them, and check the other in the task", "crontab(day_of_month= and day_of_week=)"),
    **_refused("the schedule's rule decides which instants are ticks", "use crontab() or schedule()", "schedule.is_due", "schedule.remaining_estimate", "crontab(nowfun=)", "schedule(nowfun=)"),
    **_refused("Callboard commits the job with the caller's own transaction", f"use {PACKAGE}.jobs.submit(session, …), or django.db.transaction.on_commit(partial(task.delay, …))", "Task.delay_on_commit", "Task.apply_async_on_commit"),
    **_refused("a worker is a command of Dramatiq", f"run `dramatiq {PACKAGE}.actors`", "celery.bin", "celery.worker", "celery.apps", "celery.concurrency", "celery.platforms"),
    **_refused("workers have no boot steps", "use the signals worker_process_init and worker_shutdown, or a Dramatiq middleware", "celery.bootsteps"),
    **_refused("schedulers read rows", f"use beat_schedule or add_periodic_task(), and `{COMMAND} scheduler`", "celery.beat"),
    **_refused(_STATE_IN_ROW, "use AsyncResult", "celery.backends"),
    **_refused("webhooks and metrics report jobs and alerts", "use webhooks, `/metrics` or the live pages", "celery.events"),
    **_refused("Callboard reads CALLBOARD_ACTORS", "name the modules there, or in include=", "celery.loaders", "celery.fixups"),
    **_refused("messages are not signed", "restrict access to RabbitMQ and the database", "celery.security"),
    **_refused("a cancel raises in the task", f"use AsyncResult.revoke(terminate=True), and {PACKAGE}.jobs.current_job.cancel_requested within the task", "celery.contrib.abortable"),
    **_refused("tests need no worker of their own", "use task_always_eager, task.apply(), or a worker command", "celery.contrib.testing", "celery.contrib.pytest"),
    **_refused("a debugger in a terminal stops the worker's other jobs", f"use breakpoint() in a test, or `{COMMAND} stack ID` for a running job", "celery.contrib.rdb"),
    **_refused("Callboard commits the job with the caller's own transaction", f"use {PACKAGE}.jobs.submit(session, …), or django.db.transaction.on_commit(partial(task.delay, …))", "celery.contrib.django"),
    **_refused("it belongs to Celery's own tools", "take it out", "celery.contrib"),
    **_refused("gone since Celery 5", "import the name from `celery`, and app.control for remote control", "celery.task", "celery.decorators", "celery.execute", "celery.registry", "celery.messaging", "celery.log"),
    **_refused("the command line belongs to Callboard", f"use `{COMMAND} celery report`", "celery.bugreport"),
    **_refused("the command line belongs to Callboard", f"use `{COMMAND} celery …`", "celery.__main__"),
    **_refused("it names a release of Celery", "use celery.__version__", "celery.SERIES"),
    **_refused("no greenlets are patched", "take it out", "celery.maybe_patch_concurrency"),
    **_refused("keys of the configuration are attributes of app.conf", "use app.conf", "celery.app.defaults"),
    **_refused("tasks are actors", "use app.tasks", "celery.app.registry"),
    **_refused("Callboard configures logs", "use CALLBOARD_LOG_LEVEL and CALLBOARD_LOG_FORMAT", "celery.app.log", "celery.utils.log"),
    **_refused("it belongs to the inside of Celery", "use the interface of `celery`: Celery, Task, shared_task, current_app, current_task", "celery.app", "celery._state", "celery.local"),
    **_refused("workflows are laid out as rows", "use chain, group, chord, chunks, signature", "celery.canvas"),
    **_refused(_STATE_IN_ROW, "use AsyncResult, GroupResult, ResultSet, allow_join_result", "celery.result"),
    **_refused("the schedule's rule decides which instants are ticks", "use crontab() or schedule()", "celery.schedules"),
    **_refused("the state of a job is in its row", "compare AsyncResult.state with a name of this module", "celery.states"),
    **_refused("it is not sent or raised here", "take it out", "celery.exceptions", "celery.signals"),
    **_refused("it is a helper of Celery's own code", "use Python's standard library, or copy the function into your code", "celery.utils"),
    **_changed("5.7.0, the version whose interface this is", "celery.__version__", "celery.version_info"),
    **_changed("names; an object such as kombu's Queue counts by its name", "conf.task_queues"),
    **_changed("Django's old connections are not closed by themselves: call close_old_connections() on task_prerun and task_postrun", "django"),
    **_changed("any backend is accepted: results are in the job's row", "Celery(backend=)"),
    **_changed("must name the broker of CALLBOARD_BROKER_URL, unless that is unset", "Celery(broker=)"),
    **_changed("imported after the modules of CALLBOARD_ACTORS", "Celery(include=)", "app.autodiscover_tasks"),
    **_changed("a task is declared at once, and declared again when the configuration changes", "app.task"),
    **_changed("a job starts at most once per attempt and is acknowledged after its end is committed, whatever the value", "task(acks_late=)", "task(acks_on_failure_or_timeout=)", "task(acks_on_failure=)", "task(acks_on_timeout=)", "task(reject_on_worker_lost=)"),
    **_changed("AsyncResult returns None; the row keeps the result, since later steps and pages read it", "task(ignore_result=)", "apply_async(ignore_result=)"),
    **_changed("the job of a lost worker is retried in any case, and is dead after CALLBOARD_MAX_CRASHES of them", "task(retry_on_worker_lost=)"),
    **_changed("errors are always stored", "task(store_errors_even_if_ignored=)"),
    **_changed("across the fleet, not per worker", "task(rate_limit=)"),
    **_changed("runs each attempt in a child process of its own, which is killed at the limit", "task(time_limit=)", "apply_async(time_limit=)"),
    **_changed("runs each attempt in a child process of its own; SoftTimeLimitExceeded is not a subclass of Exception, so that `except Exception` does not swallow it in the task; get() raises a subclass that is one", "task(soft_time_limit=)", "apply_async(soft_time_limit=)"),
    **_changed("has no effect: failures are logged at one level", "task(throws=)"),
    **_changed("has no effect", "task(trail=)", "task(send_events=)", "task(lazy=)", "task(shared=)", "task(delivery_mode=)", "task(store_eager_result=)", "task(resultrepr_maxsize=)"),
    **_changed("0 to 9, of which 9 is the most urgent", "task(priority=)", "apply_async(priority=)"),
    **_changed("must be a queue that a task, task_routes, task_queues or task_default_queue names, so that a worker reads it", "apply_async(queue=)"),
    **_changed("has no effect: the row is committed at once, and the relay publishes it for as long as needed", "apply_async(retry=)", "apply_async(retry_policy=)"),
    **_changed("hints of Pydantic models and other types are always converted", "task(pydantic=)", "task(pydantic_strict=)", "task(pydantic_context=)", "task(pydantic_dump_kwargs=)"),
    **_changed("a warning, once per name; its value becomes an attribute of the task", "task(unknown=)"),
    **_changed("called for single tasks, not for steps of a workflow and entries of beat, which are rows", "override of app.send_task", "override of Task.apply_async"),
    **_changed("a warning, once per name, and no effect", "Celery(unknown=)", "conf.unknown", "beat_schedule(unknown=)"),
    **_changed("the job is cancelled, so its state is REVOKED", "Ignore"),
    **_changed("the job is dead, so its state is FAILURE, as since Celery 5.7", "Reject(requeue=False)"),
    **_changed("the job is retried at once, which counts as a retry", "Reject(requeue=True)"),
    **_changed("the retry starts when the function returns, in place of a success", "retry(throw=False)"),
    **_changed("state and meta are stored with the job's progress; 1000 characters of JSON at most", "update_state(meta=)"),
    **_changed("a later task is cancelled: its state is FAILURE, and its error callbacks are cancelled", "chain(failing task)"),
    **_changed("get() raises the exception of the failing task, result is the ChordError; starts again when an operator retries that task", "chord(failing header)"),
    **_changed("the job succeeds; its results and the tasks behind it are those of the job that replaces it", "Task.replace"),
    **_changed("the tasks behind it in its workflow; not those that the task has sent itself", "AsyncResult.children", "AsyncResult.collect", "AsyncResult.graph"),
    **_changed("self.request.stamps and the signals of publication return them; results do not", "Signature.stamp"),
    **_changed("terminate=True raises in the running task; within a blocking call only if the task has a time limit, and so a process; an id that has no job yet is not remembered, and a warning in the log names it", "AsyncResult.revoke", "app.control.revoke"),
    **_changed("names workers as host:pid; jobs that wait belong to no worker, and are under `callboard`", "app.control.inspect"),
    **_changed("cancels the waiting jobs of the tasks' queues, also those that start later or are retried", "app.control.purge", "app.control.discard_all"),
    **_changed("resumes or pauses the queue across the fleet; a destination has no effect", "app.control.add_consumer", "app.control.cancel_consumer"),
    **_changed("has no effect on the row, which retention deletes", "AsyncResult.forget", "GroupResult.delete", "GroupResult.save"),
    **_changed("an id without a job is PENDING, and get() waits for it", "AsyncResult(unknown id)"),
    **_changed("the Retry itself, whose text names its time and the exception that caused it", "AsyncResult.result (RETRY)"),
    **_changed("exist, and are never raised", "exceptions.BackendError", "exceptions.AlreadyRegistered", "exceptions.InvalidTaskError", "exceptions.WorkerLostError", "exceptions.NotConfigured", "exceptions.SecurityError", "exceptions.CeleryWarning"),
    **_changed("built from type and text; a stand-in of the same name if its class cannot be imported, or is not a subclass of Exception, such as SystemExit", "AsyncResult.get(failure)"),
    **_changed("the header is laid out in full before its first task starts", "chord(generator)"),
    **_changed("an id is that of one job: sent again, the signature gets a new one", "Signature.freeze"),
    **_changed("finds a group by the id of its workflow", "GroupResult.restore"),
    **_changed("runs with the id, exception and traceback as a job of its own", "link_error"),
    **_changed("whole seconds, counted from 1970 and not from the scheduler's start", "schedule"),
    **_changed("each entry is an actor with the entry's name, listed with its schedule; the schedule of a removed entry ends when a scheduler starts. An application is known by its name, the module that creates it and task_default_queue", "beat_schedule", "app.add_periodic_task"),
    **_changed("sent for each task of a workflow when the workflow is stored, not for retries and ticks of beat; receivers may change all but id, task and the tasks that follow, whose keys in body[2] are None", "signals.before_task_publish"),
    **_changed("sent for a task that is cancelled while it runs; not for one that is cancelled or expires while it waits, since no worker takes it: use a webhook", "signals.task_revoked"),
    **_changed("sent in the worker only: a task with a time limit runs in a child process, which begins with worker_process_init", "signals.worker_init"),
    **_changed("sent also in each child process, before its one attempt", "signals.worker_process_init"),
    **_changed("False: the entry has no schedule, as with django-celery-beat", "beat_schedule(enabled=)"),
    **_changed("an old producer's result backend gets nothing, and rpc:// no answer to reply_to: read the job by the task's id", "CALLBOARD_CELERY_QUEUES: AsyncResult.get()"),
    **_changed("only JSON is read; pickle, YAML, msgpack and compressed messages are held whole with the reason, and never decoded", "CALLBOARD_CELERY_QUEUES: serializer"),
    **_changed("held if the producer's result backend counts the header (Redis, Memcached, DynamoDB): release it when every task has arrived; within a chain, or with another backend, it needs no release", "CALLBOARD_CELERY_QUEUES: chord"),
    **_changed("0 means that the call has none, since producers write it by default", "CALLBOARD_CELERY_QUEUES: priority"),
    **_changed("ignored, like events: revoke a job by its task's id, with a command or the page", "CALLBOARD_CELERY_QUEUES: remote control"),
}  # fmt: skip


def unsupported(name: str, shown: str = "") -> Unsupported:
    """Return the error for a refused interface. `shown`: the name within it that was asked for."""
    row = DIFFERENCES[name]
    assert row.cure is not None, name
    return Unsupported(f"{shown or name} is not available: {row.text}. Instead: {row.cure}.")


def refused(prefix: str) -> frozenset[str]:
    """Return the refused names below a prefix, such as `app.`, without it."""
    return frozenset(name.removeprefix(prefix) for name, row in DIFFERENCES.items() if name.startswith(prefix) and row.cure is not None)


_warned: set[tuple[str, str]] = set()
_CELERY = __name__.rpartition(".base.")[0]


def warn_unknown(kind: str, name: str, known: Collection[str], kept: str) -> None:
    """Warn once about a name that has no effect, at the caller's line. `kept`: where its value is found."""
    if (kind, name) not in _warned:
        _warned.add((kind, name))
        warnings.warn(f"{unknown(kind, name, known)} It has no effect; {kept}. Correct it, or take it out.", UnknownName, _callers_level())


def _callers_level() -> int:
    """Return the stack level of the first frame outside of this package."""
    level, frame = 2, sys._getframe(2)
    while frame.f_back is not None and f"{frame.f_globals.get('__name__')}.".startswith(f"{_CELERY}."):
        level, frame = level + 1, frame.f_back
    return level


def unknown(kind: str, name: str, known: Collection[str]) -> TypeError:
    """Return the error for an unknown name, with the nearest known one."""
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    return TypeError(f"{name!r} is not {kind}{f': do you mean {near[0]!r}?' if near else '.'}")
