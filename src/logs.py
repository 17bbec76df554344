"""Where am I? Logging: events with fields, readable on a terminal, JSON elsewhere; never payloads or secrets."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from .settings import get_settings

#: characters of a traceback that a log has
TRACEBACK_LIMIT = 16_000

#: finds what the line just written is said on behalf of: `job_id` and what else belongs to it, or nothing
Find = Callable[[], Mapping[str, Any] | None]


def configure_logs() -> None:
    """Send every logger of this process to stderr in the configured form; safe to call again. Handlers of a team's own stay."""
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
            _say_more,
            _say_for_whom,  # here, and not when the event is made: lines of libraries pass by this place, too
            structlog.processors.ExceptionRenderer(_bounded_traceback),
            lambda logger, method, event: _mask(last(logger, method, event)),
        ],
    )
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    root = logging.getLogger()
    # A team's own handlers stay; one more that writes to the terminal would say everything twice.
    root.handlers[:] = [handler, *(each for each in root.handlers if not writes_to_terminal(each))]
    root.setLevel(settings.log_level.upper())
    # pika tells each reconnect in a dozen lines; the broker room says the same in one.
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    # Alembic says on import which of its own plugins it has.
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)


def get_logger(name: str) -> Any:
    """A structlog logger: `log.info("attempt_failed", job_id=…)`."""
    return structlog.stdlib.get_logger(name)


def writes_to_terminal(handler: logging.Handler) -> bool:
    """True for a plain handler that writes to a standard stream, as basicConfig() makes it."""
    if type(handler) is not logging.StreamHandler:
        return False
    streams = (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
    return isinstance(handler.formatter, structlog.stdlib.ProcessorFormatter) or any(handler.stream is stream for stream in streams)


def mask_by(mask: Callable[[str], str] | None) -> None:
    """Have every line of this process pass through `mask` before it is written; None: no more."""
    global _mask
    _mask = mask or str


def speak_for(find: Find | None) -> None:
    """Have every line of this process carry from here on what `find` finds in the thread that writes it; None: no more.

    Asked only when a line is written, so a job that says nothing costs nothing.
    """
    global _find
    _find = find


def add_facts(more: Callable[[], Mapping[str, str]] | None) -> None:
    """Have every line of this process carry what `more` finds where it is written, beside all else; None: no more."""
    global _more
    _more = more


def _bounded_traceback(exc_info: Any) -> str:
    """The traceback without values of variables, cut in the middle: exceptions may say megabytes."""
    text = "".join(traceback.format_exception(*exc_info)).rstrip("\n") if exc_info and exc_info[0] is not None else ""
    if len(text) > TRACEBACK_LIMIT:
        half = TRACEBACK_LIMIT // 2
        text = f"{text[:half]}\n… {len(text) - TRACEBACK_LIMIT} characters left out …\n{text[-half:]}"
    return text


_mask: Callable[[str], str] = str
_find: Find | None = None
_more: Callable[[], Mapping[str, str]] | None = None


def _say_more(_logger: Any, _method: str, event: Any) -> Any:
    if _more is not None:
        for name, value in _more().items():
            event.setdefault(name, value)
    return event


def _say_for_whom(_logger: Any, _method: str, event: Any) -> Any:
    owner = None if _find is None else _find()
    if owner is None:
        return event
    if event.get("job_id", owner["job_id"]) != owner["job_id"]:
        event["by_job_id"] = owner["job_id"]  # a job that tells of another one
        return event
    for name, value in owner.items():
        event.setdefault(name, value)
    return event


if not structlog.is_configured():
    # Until configure_logs() and in programs of others: structlog's own default prints local variables, passwords among them.
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=False),
            structlog.processors.ExceptionRenderer(_bounded_traceback),
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
        ],
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # what a command prints for scripts goes to standard output
    )
