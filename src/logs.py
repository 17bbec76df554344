"""Logging: events with fields, readable on a terminal, JSON elsewhere; never payloads or secrets."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from .formats.control_characters import on_one_line, visible
from .formats.quantities import counted
from .settings import get_settings

#: characters of a traceback kept in the log
TRACEBACK_LIMIT = 16_000

#: returns fields about the job on whose behalf the current line is written (`job_id` and others), or None
Find = Callable[[], Mapping[str, Any] | None]


def configure_logs() -> None:
    """Send every logger of this process to stderr in the configured form; safe to call again.

    Replaces structlog's configuration, the root logger's level, and its handlers that write to the terminal.
    """
    settings = get_settings()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    readable = settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())
    last: Any = structlog.dev.ConsoleRenderer() if readable else structlog.processors.JSONRenderer()
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _add_facts,
            _add_job,  # here and not when the event is created, so that lines of libraries are covered too
            structlog.processors.ExceptionRenderer(_bounded_traceback),
            *([_escape] if readable else []),  # JSON escapes by itself
            lambda logger, method, event: _added.mask(last(logger, method, event)),
        ],
    )
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    root = logging.getLogger()
    # The application's own handlers stay, except those that write to the terminal: each line would appear twice.
    root.handlers[:] = [handler, *(each for each in root.handlers if not writes_to_terminal(each))]
    root.setLevel(settings.log_level.upper())
    # pika logs each reconnect in a dozen lines; the broker room logs one.
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    # Alembic logs its own plugins at import.
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)


def is_configured() -> bool:
    """True if this process has configured logging: its root logger has a handler, or structlog is not as this module leaves it."""
    return bool(logging.getLogger().handlers) or structlog.get_config()["processors"] is not _UNTIL_CONFIGURED


def get_logger(name: str) -> Any:
    """Return a structlog logger: `log.info("attempt_failed", job_id=…)`."""
    return structlog.stdlib.get_logger(name)


def writes_to_terminal(handler: logging.Handler) -> bool:
    """True for a plain handler that writes to a standard stream, as basicConfig() makes."""
    if type(handler) is not logging.StreamHandler:
        return False
    streams = (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
    return isinstance(handler.formatter, structlog.stdlib.ProcessorFormatter) or any(handler.stream is stream for stream in streams)


def mask_by(mask: Callable[[str], str] | None) -> None:
    """Pass every log line of this process through `mask` before it is written; None: stop."""
    _added.mask = mask or str


def speak_for(find: Find | None) -> None:
    """Add the fields that `find` returns in the logging thread to every line; None: stop.

    Called only when a line is written, so a job that logs nothing costs nothing.
    """
    _added.find = find


def add_facts(more: Callable[[], Mapping[str, str]] | None) -> None:
    """Add the fields that `more` returns to every line; None: stop."""
    _added.more = more


def _bounded_traceback(exc_info: Any) -> str:
    """The traceback without values of variables, cut in the middle: exception messages may be megabytes long."""
    text = "".join(traceback.format_exception(*exc_info)).rstrip("\n") if exc_info and exc_info[0] is not None else ""
    if len(text) > TRACEBACK_LIMIT:
        half = TRACEBACK_LIMIT // 2
        text = f"{text[:half]}\n… {counted(len(text) - TRACEBACK_LIMIT, 'character', separator=',')} left out …\n{text[-half:]}"
    return text


class _Added:
    """Fields that other rooms add to every line of this process, and the mask that each line passes through."""

    def __init__(self) -> None:
        self.mask: Callable[[str], str] = str
        self.find: Find | None = None
        self.more: Callable[[], Mapping[str, str]] | None = None


_added = _Added()


def _add_facts(_logger: Any, _method: str, event: Any) -> Any:
    if _added.more is not None:
        for name, value in _added.more().items():
            event.setdefault(name, value)
    return event


def _escape(_logger: Any, _method: str, event: Any) -> Any:
    """Escape control characters, so that a name or a path can neither forge a line nor command the terminal."""
    return {
        name: (visible if name == "exception" else on_one_line)(value) if isinstance(value, str) else value for name, value in event.items()
    }


def _add_job(_logger: Any, _method: str, event: Any) -> Any:
    owner = None if _added.find is None else _added.find()
    if owner is None:
        return event
    if event.get("job_id", owner["job_id"]) != owner["job_id"]:
        event["by_job_id"] = owner["job_id"]  # a job that logs about another one
        return event
    for name, value in owner.items():
        event.setdefault(name, value)
    return event


#: until configure_logs() and in other programs: structlog's default prints local variables, including passwords
_UNTIL_CONFIGURED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=False),
    structlog.processors.ExceptionRenderer(_bounded_traceback),
    _escape,
    structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
]

if not structlog.is_configured():
    structlog.configure(
        processors=_UNTIL_CONFIGURED,
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # a command's output for scripts goes to standard output
    )
