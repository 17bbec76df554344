"""Table of Celery's commands and their options: the counterpart here, no effect, or refused with the cure.

docs/reference/celery-differences.md lists the same rows; a test compares them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ... import COMMAND


class Effect(StrEnum):
    """Effect of a command or an option."""

    MAPPED = "mapped"
    NONE = "no effect"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Row:
    """One command, or one option of it. `text`: the counterpart, the reason, or the cure. `value`: the option takes one."""

    effect: Effect
    text: str
    value: bool = True


def _mapped(text: str, *names: str) -> dict[str, Row]:
    return dict.fromkeys(names, Row(Effect.MAPPED, text))


def _idle(text: str, *names: str, value: bool = True) -> dict[str, Row]:
    return dict.fromkeys(names, Row(Effect.NONE, text, value))


def _refused(cure: str, *names: str, value: bool = True) -> dict[str, Row]:
    return dict.fromkeys(names, Row(Effect.REFUSED, cure, value))


_NAME = "a worker is named by its host and process id"
_WORKER = "the worker's command and Callboard's settings decide"
_SUPERVISOR = f"systemd, Docker or `{COMMAND} up` supervise the process: set it there"
_ROWS = "the state of workers and jobs is read from the database, no worker has to answer"
_FIXED = f"workers have a fixed number of threads: start another worker, or `{COMMAND} worker --threads N`"

#: commands, and actions of `inspect` and `control`
COMMANDS: dict[str, Row] = {
    **_mapped(f"`{COMMAND} worker`", "worker"),
    **_mapped(f"`{COMMAND} scheduler`", "beat"),
    **_mapped(f"`{COMMAND} submit TASK`", "call"),
    **_mapped(f"`{COMMAND} job ID`", "result"),
    **_mapped(f"`{COMMAND} bulk cancel 'queue:NAME state:scheduled,queued,retrying'`", "purge"),
    **_mapped(f"`{COMMAND} workers`", "status", "inspect ping", "inspect registered", "inspect active_queues", "inspect stats"),
    **_mapped(f"`{COMMAND} jobs state:running`", "inspect active"),
    **_mapped(f"`{COMMAND} jobs state:queued`", "inspect reserved"),
    **_mapped(f"`{COMMAND} jobs state:scheduled,retrying`", "inspect scheduled"),
    **_mapped(f"`{COMMAND} jobs state:cancelled`", "inspect revoked"),
    **_mapped(f"`{COMMAND} job ID`", "inspect query_task"),
    **_mapped(f"`{COMMAND} config`", "report", "inspect report", "inspect conf"),
    **_mapped(f"`{COMMAND} limit actor:TASK --rate RATE`", "control rate_limit"),
    **_mapped(f"`{COMMAND} workers stop NAME`", "control shutdown"),
    **_mapped(f"`{COMMAND} cancel ID`, unless it runs", "control revoke"),
    **_mapped(f"`{COMMAND} cancel ID`, also while it runs", "control terminate"),
    **_mapped(f"`{COMMAND} pause queue:NAME`", "control cancel_consumer"),
    **_mapped(f"`{COMMAND} resume queue:NAME`", "control add_consumer"),
    **_mapped("the queues that the actors declare", "list bindings"),
    **_mapped(f"`{COMMAND} top`", "events"),
    **_mapped(f"`{COMMAND} shell`", "shell"),
    **_refused("time limits belong to the task: time_limit= and soft_time_limit=, or those of apply_async()", "control time_limit"),
    **_refused(_FIXED, "control pool_grow", "control pool_shrink", "control autoscale"),
    **_refused(f"`{COMMAND} workers stop NAME` drains it, and its supervisor starts it again", "control pool_restart"),
    **_refused("nothing needs to be switched on: use webhooks, `/metrics` or the live pages", "control enable_events", "control disable_events"),
    **_refused("take it out: leases are heartbeats, and any number of schedulers may run", "control heartbeat", "control election"),
    **_refused(f"jobs have no headers to select them by: use `{COMMAND} bulk cancel QUERY`", "control revoke_by_stamped_headers"),
    **_refused(f"use `{COMMAND} stack ID`, the page of workers and `/metrics`", "inspect clock", "inspect memdump", "inspect memsample", "inspect objgraph"),
    **_refused(f"start `{COMMAND} worker` under systemd or Docker, or everything with `{COMMAND} up --workers N --detach`", "multi"),
    **_refused(f"the console shows tasks, queues and workers: `{COMMAND} up`", "flower"),
    **_refused(f"queues are declared by Callboard: `{COMMAND} top` and the page of queues", "amqp"),
    **_refused("jobs are rows: move to another RabbitMQ by CALLBOARD_BROKER_URL, and the relay publishes them again", "migrate"),
    **_refused("the page of a workflow shows its graph", "graph"),
    **_refused(f"use `{COMMAND} logs`, or a job's log: `{COMMAND} job ID --log`", "logtool"),
    **_refused(f"keys of each spelling are read, and `{COMMAND} import-celery PATH` lists them", "upgrade"),
}  # fmt: skip

#: options without a counterpart, by command; `--hostname -n` are two names of one
OPTIONS: dict[str, dict[str, Row]] = {
    "celery": {
        **_idle("results are in the job's row, without a result backend", "--result-backend"),
        **_idle("output has no colours", "--no-color -C", value=False),
        **_idle("the line on standard error is always printed", "--quiet -q", value=False),
        **_idle("Callboard runs none of Django's checks", "--skip-checks", value=False),
        **_refused("name the modules in CALLBOARD_ACTORS, or with -A", "--loader"),
        **_refused("read it in the code: app.config_from_object(…)", "--config"),
    },
    "worker": {
        **_idle(_NAME, "--hostname -n"),
        **_idle(_WORKER, "--optimization -O", "--prefetch-multiplier", "--statedb -S"),
        **_idle("CALLBOARD_MAX_JOBS replaces a process after that many jobs", "--max-tasks-per-child"),
        **_idle(_WORKER, "--disable-prefetch", value=False),
        **_idle("webhooks, metrics and live pages need no events", "--task-events --events -E", value=False),
        **_idle("leases are heartbeats", "--without-heartbeat", "--without-gossip", "--without-mingle", value=False),
        **_idle("leases are heartbeats", "--heartbeat-interval"),
        **_idle("schedules are rows, and schedulers read them", "--schedule-filename --schedule -s", "--scheduler"),
        **_refused("time limits belong to tasks: set task_time_limit and task_soft_time_limit", "--time-limit", "--soft-time-limit"),
        **_refused("set CALLBOARD_MAX_MEMORY: a process above it is replaced when its jobs have ended", "--max-memory-per-child"),
        **_refused(_FIXED, "--autoscale"),
        **_refused(f"run `{COMMAND} celery purge` first", "--purge --discard", value=False),
    },
    "beat": {
        **_idle("schedules are rows, and schedulers read them", "--schedule -s", "--max-interval"),
        **_idle(f"schedules are rows: `{COMMAND} import-celery MODULE --beat-db URL --apply` imports those of django-celery-beat", "--scheduler -S"),
    },
    "call": {
        **_refused("a job goes to a queue by name: use --queue", "--exchange", "--routing-key"),
        **_refused("arguments are JSON", "--serializer"),
    },
    "result": {**_idle("the task is in the job's row", "--task -t")},
    "inspect": {**_idle(_ROWS, "--timeout -t")},
    "control": {**_idle(_ROWS, "--timeout -t"), **_idle("the verb's own output is printed", "--json -j", value=False)},
    "status": {**_idle(_ROWS, "--timeout -t")},
}  # fmt: skip
_OF_PROCESSES = {
    **_refused(_SUPERVISOR, "--detach -D", value=False),
    **_refused(_SUPERVISOR, "--pidfile", "--uid", "--gid", "--umask", "--executable"),
    **_idle("logs go to standard error: redirect it", "--logfile -f"),
}
OPTIONS["worker"] |= _OF_PROCESSES
OPTIONS["beat"] |= _OF_PROCESSES
