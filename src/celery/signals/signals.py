"""The signals themselves, by Celery's names."""

from __future__ import annotations

from ... import COMMAND
from .signal import Signal

_POOL = ("workers run threads and child processes, not greenlets", "use the signal worker_process_init")
_LOGS = ("Callboard configures logs", "use CALLBOARD_LOG_LEVEL and CALLBOARD_LOG_FORMAT, or worker_process_init")
_COMMAND = ("the worker's command is Dramatiq's", "use the signal worker_init")
_BEAT = ("schedulers of Callboard fire the ticks", f"use `{COMMAND} scheduler`, and webhooks for its alerts")

before_task_publish = Signal("before_task_publish")
after_task_publish = Signal("after_task_publish")
task_prerun = Signal("task_prerun")
task_postrun = Signal("task_postrun")
task_success = Signal("task_success")
task_failure = Signal("task_failure")
task_retry = Signal("task_retry")
task_revoked = Signal("task_revoked")
worker_init = Signal("worker_init")
worker_process_init = Signal("worker_process_init")
worker_process_shutdown = Signal("worker_process_shutdown")
worker_ready = Signal("worker_ready")
worker_shutdown = Signal("worker_shutdown")
worker_shutting_down = Signal("worker_shutting_down")

task_received = Signal("task_received", reason="a worker claims a job when it starts it", cure="use the signal task_prerun")
task_rejected = Signal("task_rejected", reason="an undecodable message is held, not run", cure="use the page of held jobs")
task_unknown = Signal("task_unknown", reason="a job without its task is held until a worker has it", cure="use the page of held jobs")
task_internal_error = Signal("task_internal_error", reason="the worker logs its own errors", cure="use alerts")
import_modules = Signal(
    "import_modules", reason="Callboard imports the modules", cure="use CALLBOARD_ACTORS, include= or autodiscover_tasks()"
)
heartbeat_sent = Signal("heartbeat_sent", reason="leases are heartbeats", cure="use the page of workers")
setup_logging = Signal("setup_logging", reason=_LOGS[0], cure=_LOGS[1])
after_setup_logger = Signal("after_setup_logger", reason=_LOGS[0], cure=_LOGS[1])
after_setup_task_logger = Signal("after_setup_task_logger", reason=_LOGS[0], cure=_LOGS[1])
celeryd_init = Signal("celeryd_init", reason=_COMMAND[0], cure=_COMMAND[1])
celeryd_after_setup = Signal("celeryd_after_setup", reason=_COMMAND[0], cure=_COMMAND[1])
user_preload_options = Signal("user_preload_options", reason=_COMMAND[0], cure="use environment variables")
worker_before_create_process = Signal("worker_before_create_process", reason=_COMMAND[0], cure=_COMMAND[1])
beat_init = Signal("beat_init", reason=_BEAT[0], cure=_BEAT[1])
beat_embedded_init = Signal("beat_embedded_init", reason=_BEAT[0], cure=_BEAT[1])
eventlet_pool_started = Signal("eventlet_pool_started", reason=_POOL[0], cure=_POOL[1])
eventlet_pool_preshutdown = Signal("eventlet_pool_preshutdown", reason=_POOL[0], cure=_POOL[1])
eventlet_pool_postshutdown = Signal("eventlet_pool_postshutdown", reason=_POOL[0], cure=_POOL[1])
eventlet_pool_apply = Signal("eventlet_pool_apply", reason=_POOL[0], cure=_POOL[1])

#: all signals, by name
SIGNALS: dict[str, Signal] = {value.name: value for value in list(globals().values()) if isinstance(value, Signal)}
