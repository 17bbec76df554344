"""Where am I? Logging: events with fields, readable on a terminal, JSON elsewhere; never payloads or secrets."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from src.settings import get_settings


def configure_logs() -> None:
    """Send every logger of this process to stderr in the configured form; safe to call again."""
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
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.format_exc_info, last],
    )
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(settings.log_level.upper())
    # pika tells each reconnect in a dozen lines; the broker room says the same in one.
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    # Alembic says on import which of its own plugins it has.
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)


def get_logger(name: str) -> Any:
    """A structlog logger: `log.info("attempt_failed", job_id=…)`."""
    return structlog.stdlib.get_logger(name)
