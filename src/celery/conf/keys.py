"""Table of Celery's configuration keys: used here, accepted without effect, or refused.

docs/reference/celery-differences.md lists the same rows; a test compares them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ..base.differences import PACKAGE


class Effect(StrEnum):
    """Effect of a key."""

    USED = "used"
    NONE = "no effect"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Key:
    """One key. `text`: its meaning here, the reason why it has none, or the cure. `allowed`: the only values that are accepted."""

    name: str
    effect: Effect
    text: str
    default: Any = None
    allowed: tuple[Any, ...] = ()


def _used(name: str, text: str, default: Any = None, **more: Any) -> list[Key]:
    return [Key(name, Effect.USED, text, default, **more)]


def _idle(text: str, *names: str, **defaults: Any) -> list[Key]:
    return [Key(name, Effect.NONE, text, defaults.get(name)) for name in (*names, *(name for name in defaults if name not in names))]


def _refused(text: str, *names: str) -> list[Key]:
    return [Key(name, Effect.REFUSED, text) for name in names]


_JSON = "only json: arguments and results are JSON"
_BACKEND = "results are in the job's row, without a result backend"
_WORKER = "the worker's command and Callboard's settings decide"
_TRANSPORT = "the publisher and the consumers own the connection"
_EVENTS = "webhooks, metrics and live pages need no events"
_QUEUES = "queues are declared by Callboard, as they have to be for it"
_ACKS = "a job is acknowledged after its end is committed"
_BEAT = "schedules are rows, and schedulers read them"
_ROWS = "the row is committed, and the relay publishes it for as long as needed"

KEYS: tuple[Key, ...] = (
    *_used("broker_url", "must name the broker of CALLBOARD_BROKER_URL, unless that is unset"),
    *_used("task_always_eager", "runs tasks in the caller, without a job", False),
    *_used("task_eager_propagates", "eager tasks raise their exceptions", False),
    *_used("task_routes", "queue and priority by task name, pattern or function"),
    *_used("task_annotations", "attributes of tasks by name, or `*`"),
    *_used("task_default_queue", "queue of tasks without a route; `default` unless set", "default"),
    *_used("task_queues", "names of further queues that workers read"),
    *_used("task_default_rate_limit", "rate limit of tasks without their own"),
    *_used("task_default_priority", "priority of tasks without their own, 0 to 9"),
    *_used("task_time_limit", "seconds: hard time limit of tasks without their own"),
    *_used("task_soft_time_limit", "seconds: soft time limit of tasks without their own"),
    *_used("task_track_started", "True: a running job is STARTED, not PENDING", False),
    *_used("task_ignore_result", "True: AsyncResult returns None; the row keeps the result for later steps and pages", False),
    *_used("timezone", "zone of naive times and of crontabs"),
    *_used("enable_utc", "False: without timezone, naive times are those of CALLBOARD_TIMEZONE", True),
    *_used("beat_schedule", "schedules, each an actor with the entry's name"),
    *_used("imports", "modules imported after those of CALLBOARD_ACTORS", ()),
    *_used("include", "modules imported after those of CALLBOARD_ACTORS", ()),
    *_used("task_serializer", _JSON, "json", allowed=("json",)),
    *_used("result_serializer", _JSON, "json", allowed=("json",)),
    *_used("accept_content", _JSON, ("json",), allowed=(["json"], ["application/json"])),
    *_used("result_accept_content", _JSON, allowed=(None, ["json"], ["application/json"])),
    *_idle(_BACKEND, "result_backend", "result_backend_transport_options", "result_cache_max", "result_compression", "result_exchange",
           "result_exchange_type", "result_persistent", "result_extended", "result_chord_join_timeout", "result_chord_retry_interval",
           "result_backend_always_retry", "result_backend_max_retries", "result_backend_max_sleep_between_retries_ms",
           "result_backend_base_sleep_between_retries_ms", "override_backends"),
    *_idle("CALLBOARD_KEEP_SUCCEEDED, CALLBOARD_KEEP_DEAD and CALLBOARD_KEEP_CANCELLED decide how long jobs and their results are kept", "result_expires",
           "result_failure_expires", "result_chord_expires"),
    *_idle("pages show arguments in full, unless they are secret", "task_repr_maxlevels"),
    *_idle("errors are always stored", task_store_errors_even_if_ignored=False),
    *_idle(_ACKS, "task_acks_on_failure_or_timeout", "task_acks_on_failure", "task_acks_on_timeout", "task_reject_on_worker_lost", task_acks_late=False),
    *_idle("the job of a lost worker is retried in any case, and is dead after CALLBOARD_MAX_CRASHES of them", "task_retry_on_worker_lost"),
    *_idle(_ROWS, "task_publish_retry", "task_publish_retry_policy"),
    *_idle("eager results are not stored", "task_store_eager_result"),
    *_idle("tracebacks are always stored", "task_remote_tracebacks"),
    *_used("task_allow_error_cb_on_chord_header", "True: an error callback of a chord is also added to each task of its header", False),
    *_idle("a step has its own priority", "task_inherit_parent_priority"),
    *_idle("messages have one format", "task_protocol"),
    *_idle(_EVENTS, "task_send_sent_event", "worker_send_task_events", "event_queue_expires", "event_queue_ttl", "event_queue_prefix",
           "event_queue_exclusive", "event_queue_durable", "event_serializer", "event_exchange"),
    *_idle(_QUEUES, "task_create_missing_queues", "task_create_missing_queue_type", "task_create_missing_queue_exchange_type", "task_queue_max_priority",
           "task_default_queue_type", "task_default_exchange", "task_default_exchange_type", "task_default_routing_key", "task_default_delivery_mode"),
    *_idle(_TRANSPORT, "broker_connection_retry", "broker_connection_retry_on_startup", "broker_connection_max_retries", "broker_connection_timeout",
           "broker_channel_error_retry", "broker_failover_strategy", "broker_heartbeat", "broker_heartbeat_checkrate", "broker_pool_limit",
           "broker_pool_acquire_timeout", "broker_transport_options", "broker_login_method", "broker_native_delayed_delivery_queue_type"),
    *_idle(_WORKER, "worker_concurrency", "worker_prefetch_multiplier", "worker_eta_task_limit", "worker_lost_wait", "worker_pool", "worker_pool_putlocks",
           "worker_pool_restarts", "worker_proc_alive_timeout", "worker_timer", "worker_timer_precision", "worker_state_db", "worker_enable_remote_control",
           "worker_enable_prefetch_count_reduction", "worker_disable_prefetch", "worker_detect_quorum_queues", "worker_soft_shutdown_timeout",
           "worker_enable_soft_shutdown_on_idle", "worker_cancel_long_running_tasks_on_connection_loss", "worker_deduplicate_successful_tasks",
           "worker_pool_start_method", "control_queue_ttl", "control_queue_expires", "control_queue_exclusive", "control_queue_durable", "control_exchange"),
    *_idle("`CALLBOARD_MAX_JOBS` replaces a process after that many jobs", "worker_max_tasks_per_child"),
    *_idle("CALLBOARD_LOG_LEVEL and CALLBOARD_LOG_FORMAT decide", "worker_hijack_root_logger", "worker_log_color", "worker_log_format", "worker_log_datefmt", "worker_task_log_format",
           "worker_task_log_datefmt", "worker_redirect_stdouts", "worker_redirect_stdouts_level"),
    *_idle(_BEAT, "beat_scheduler", "beat_schedule_filename", "beat_sync_every", "beat_max_loop_interval", "beat_cron_starting_deadline", "beat_enable_remote_control",
           "beat_remote_control_max_tick_age"),
    *_idle(_BACKEND, "cache_backend", "cache_backend_options", "couchbase_backend_settings", "arangodb_backend_settings", "mongodb_backend_settings",
           "database_url", "database_engine_options", "database_engine_callback", "database_short_lived_sessions", "database_table_schemas",
           "database_table_names", "database_create_tables_at_setup", "redis_backend_use_ssl", "redis_db", "redis_host", "redis_max_connections",
           "redis_username", "redis_password", "redis_port", "redis_socket_timeout", "redis_socket_connect_timeout", "redis_retry_on_timeout",
           "redis_socket_keepalive",
           "cassandra_entry_ttl", "cassandra_keyspace", "cassandra_port", "cassandra_read_consistency", "cassandra_servers", "cassandra_bundle_path",
           "cassandra_table", "cassandra_write_consistency", "cassandra_auth_provider", "cassandra_auth_kwargs", "cassandra_options",
           "s3_access_key_id", "s3_secret_access_key", "s3_bucket", "s3_base_path", "s3_endpoint_url", "s3_region", "azureblockblob_container_name",
           "azureblockblob_retry_initial_backoff_sec", "azureblockblob_retry_increment_base", "azureblockblob_retry_max_attempts",
           "azureblockblob_base_path", "azureblockblob_connection_timeout", "azureblockblob_read_timeout", "gcs_bucket", "gcs_project",
           "gcs_base_path", "gcs_ttl", "cosmosdbsql_database_name", "cosmosdbsql_collection_name", "cosmosdbsql_consistency_level",
           "cosmosdbsql_max_retry_attempts", "cosmosdbsql_max_retry_wait_time", "elasticsearch_retry_on_timeout", "elasticsearch_max_retries",
           "elasticsearch_timeout", "elasticsearch_save_meta_as_text"),
    *_refused("write the limit as rate_limit=; it holds across the fleet", "worker_disable_rate_limits"),
    *_refused("set `CALLBOARD_MAX_MEMORY`: a process above it is replaced when its jobs have ended", "worker_max_memory_per_child"),
    *_refused(f"workers have a fixed number of threads: `dramatiq {PACKAGE}.actors -t 8`", "worker_autoscaler", "worker_agent", "worker_consumer", "worker_direct"),
    *_refused("take it out; compress large values, or pass ids", "task_compression"),
    *_refused("messages are not signed; restrict access to RabbitMQ and the database", "security_certificate", "security_cert_store", "security_key",
              "security_key_password", "security_digest"),
    *_refused("write one URL to CALLBOARD_BROKER_URL", "broker_read_url", "broker_write_url", "broker_transport", "broker_use_ssl", "broker_host", "broker_port",
              "broker_user", "broker_password", "broker_vhost"),
)  # fmt: skip

BY_NAME: dict[str, Key] = {key.name: key for key in KEYS}
#: prefix of new names -> that of the upper-case names of Celery 3
_OLD_PREFIXES = {"task_": "CELERY_", "worker_": "CELERYD_", "beat_": "CELERYBEAT_", "broker_": "BROKER_"}
_OLD: dict[str, str] = {
    "CELERYD_TASK_SOFT_TIME_LIMIT": "task_soft_time_limit",
    "CELERYD_TASK_TIME_LIMIT": "task_time_limit",
    "CELERYD_WORKER_LOST_WAIT": "worker_lost_wait",
    "CELERY_EAGER_PROPAGATES_EXCEPTIONS": "task_eager_propagates",
    "CELERY_MAX_CACHED_RESULTS": "result_cache_max",
    "CELERY_MESSAGE_COMPRESSION": "task_compression",
    "CELERY_DISABLE_RATE_LIMITS": "worker_disable_rate_limits",
    "CELERY_ENABLE_REMOTE_CONTROL": "worker_enable_remote_control",
    "CELERY_REDIRECT_STDOUTS": "worker_redirect_stdouts",
    "CELERY_REDIRECT_STDOUTS_LEVEL": "worker_redirect_stdouts_level",
    "CELERY_RESULT_DBURI": "database_url",
    "CELERY_RESULT_DB_SHORT_LIVED_SESSIONS": "database_short_lived_sessions",
    "CELERY_RESULT_DB_TABLENAMES": "database_table_names",
    "CELERY_RESULT_ENGINE_OPTIONS": "database_engine_options",
    "CELERY_SEND_EVENTS": "worker_send_task_events",
    "CELERY_SEND_TASK_SENT_EVENT": "task_send_sent_event",
    "CELERY_TASK_RESULT_EXPIRES": "result_expires",
}
for _key in KEYS:
    _OLD[_key.name.upper()] = _OLD[f"CELERY_{_key.name.upper()}"] = _key.name
    for _new, _old in _OLD_PREFIXES.items():
        if _key.name.startswith(_new):
            _OLD.setdefault(_old + _key.name.removeprefix(_new).upper(), _key.name)


def new_name(name: str) -> str | None:
    """Return the lower-case name of a key, given in any of Celery's spellings; None: it is unknown."""
    return name if name in BY_NAME else _OLD.get(name)


def namespaced(name: str, prefix: str) -> str | None:
    """Return the key that a name means below a prefix such as `CELERY_`; None: it is outside. Celery reads its old names there too."""
    if not name.startswith(prefix):
        return _OLD.get(name) if name.startswith(("CELERYD_", "CELERYBEAT_")) else None
    key = name.removeprefix(prefix).lower()
    return key if key in BY_NAME else _OLD.get(name, key)
