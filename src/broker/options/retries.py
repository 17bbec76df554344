"""Retries: the middleware that owns an actor's retry options, and the decision after a failed attempt.

The options are Dramatiq's own. The retry itself is the job's row with its next `due_at`, written in the same commit as
the attempt; nothing is published until it is due.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

from dramatiq import Actor, Middleware
from dramatiq.broker import Broker
from dramatiq.common import compute_backoff
from dramatiq.errors import Retry

from ...jobs.core.states import State
from ...logs import get_logger
from ...sql.clock import now
from .errors import InvalidOption

log = get_logger(__name__)

#: milliseconds
DEFAULT_MIN_BACKOFF, DEFAULT_MAX_BACKOFF = 15_000, 7 * 86_400_000
DEFAULT_MAX_RETRIES = 20
#: milliseconds: a hundred years; an instant after the year 9999 could be written and never read again
LONGEST_DELAY = 100 * 365 * 86_400_000
#: milliseconds: the longest Retry-After of a server that is honoured
MOST_OBEYED = 86_400_000


class Retries(Middleware):
    """Declare Dramatiq's `max_retries`, `min_backoff`, `max_backoff` (milliseconds), `retry_when`, `throws`, `on_retry_exhausted`.

    Also `retry_delay`: a fixed number of milliseconds between attempts; backoff has jitter, this has none. Also
    `backoff`: a function of (failures so far, exception) that returns milliseconds. An exception with a `retry_after`
    (seconds, a timedelta or a datetime) sets the delay itself.
    """

    @property
    def actor_options(self) -> set[str]:
        return {"max_retries", "min_backoff", "max_backoff", "retry_delay", "backoff", "retry_when", "throws", "on_retry_exhausted"}

    def before_declare_actor(self, broker: Broker, actor: Actor[Any, Any]) -> None:
        options = actor.options
        for name in ("max_retries", "min_backoff", "max_backoff", "retry_delay"):
            value = options.get(name)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
                raise InvalidOption(actor.actor_name, f"{name} must be a whole number of at least 0, not {value!r}")
        if options.get("retry_delay") is not None and not {"min_backoff", "max_backoff"}.isdisjoint(options):
            raise InvalidOption(actor.actor_name, "give either retry_delay or a backoff, not both")
        for name in ("retry_when", "backoff"):
            if options.get(name) is not None and not _takes_two(options[name]):
                raise InvalidOption(actor.actor_name, f"{name} must be a function of (failures so far, exception)")
        if not all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in _throws(options.get("throws"))):
            raise InvalidOption(
                actor.actor_name, f"throws must be an exception class, or a tuple or list of them, not {options['throws']!r:.60}"
            )


@dataclass(frozen=True, slots=True)
class Decision:
    """Decision after a failed attempt; `delay_ms` until the next one when the job is retrying. `is_thrown`: by `throws`."""

    state: State
    reason: str
    delay_ms: int | None = None
    exhausted: bool = False
    is_thrown: bool = False


def decide(actor: Actor[Any, Any], options: dict[str, Any], failures: int, exception: BaseException) -> Decision:
    """Retry or give up, by the options of the message, then of the actor, then the defaults.

    `failures`: failed attempts before this one.
    """
    if isinstance(exception, _throws(actor.options.get("throws"))):
        return Decision(State.DEAD, f"{type(exception).__name__} is not retried (throws)", is_thrown=True)
    limit = options.get("max_retries", actor.options.get("max_retries", DEFAULT_MAX_RETRIES))
    retry_when = actor.options.get("retry_when")
    if retry_when is not None:
        if not retry_when(failures, exception):
            return Decision(State.DEAD, f"retry_when returned false after {_times(failures + 1)}", exhausted=True)
    elif limit is not None and failures >= limit:
        reason = "no retries are allowed" if limit == 0 else f"retries exhausted ({failures + 1} of {limit + 1} attempts)"
        return Decision(State.DEAD, reason, exhausted=True)
    delay = _delay(actor, options, failures, exception)
    of = "" if limit is None or retry_when is not None else f" of {limit}"
    return Decision(State.RETRYING, f"retry {failures + 1}{of} after {type(exception).__name__}", delay)


def _delay(actor: Actor[Any, Any], options: dict[str, Any], failures: int, exception: BaseException) -> int:
    for rule in (_asked, retry_after, partial(_backoff, actor, failures)):
        try:
            found = rule(exception)
        except BaseException:
            # A property of a foreign class, or the actor's own function: the next rule applies, and no retry is lost.
            log.exception("retry_delay_failed", actor=actor.actor_name)
            continue
        if found is not None:
            return max(0, min(found, LONGEST_DELAY))
    if not {"min_backoff", "max_backoff"}.isdisjoint(options):
        fixed = options.get("retry_delay")  # a message's own backoff takes precedence over its actor's delay
    else:
        fixed = options.get("retry_delay", actor.options.get("retry_delay"))
    if fixed is not None:
        return max(0, min(int(fixed), LONGEST_DELAY))
    least = _first(options.get("min_backoff"), actor.options.get("min_backoff"), DEFAULT_MIN_BACKOFF)
    most = min(_first(options.get("max_backoff"), actor.options.get("max_backoff"), DEFAULT_MAX_BACKOFF), DEFAULT_MAX_BACKOFF)
    return compute_backoff(failures, factor=least, max_backoff=most)[1]


def _asked(exception: BaseException) -> int | None:
    delay = exception.delay if isinstance(exception, Retry) else None
    return int(delay.total_seconds() * 1000) if isinstance(delay, timedelta) else None if delay is None else int(delay)


def _backoff(actor: Actor[Any, Any], failures: int, exception: BaseException) -> int | None:
    own = actor.options.get("backoff")
    return None if own is None else int(own(failures, exception))


def retry_after(exception: BaseException) -> int | None:
    """Return the delay in milliseconds that an exception asks for, by its `retry_after` or the Retry-After of an HTTP response; None: none.

    A server's delay is honoured up to a day; for an instant in the past the actor's own rule applies.
    """
    asked = getattr(exception, "retry_after", None)
    if asked is not None:
        return _in_ms(asked)
    for holder in (getattr(exception, "response", None), exception):
        asked = _header(getattr(holder, "headers", None))
        if asked is not None:
            wanted = _in_ms(asked)
            return None if wanted is None or wanted <= 0 else min(wanted, MOST_OBEYED)
    return None


def _header(headers: Any) -> str | None:
    """Return Retry-After from the headers of an HTTP library, case-insensitively."""
    pairs = headers.items() if hasattr(headers, "items") else ()
    return next((str(value) for name, value in pairs if str(name).lower() == "retry-after"), None)


def _in_ms(asked: Any) -> int | None:
    try:
        if isinstance(asked, str):
            text = asked.strip()
            asked = float(text) if text.replace(".", "", 1).isdigit() else parsedate_to_datetime(text)
        if isinstance(asked, datetime):
            asked = asked if asked.tzinfo is not None else asked.replace(tzinfo=UTC)
            return int((asked - now()).total_seconds() * 1000)
        if isinstance(asked, timedelta):
            return int(asked.total_seconds() * 1000)
        if isinstance(asked, int | float) and not isinstance(asked, bool):
            return int(asked * 1000)
    except (ValueError, TypeError, OverflowError):
        pass  # an invalid Retry-After: the actor's own rule applies
    return None


def _first(*values: int | None) -> int:
    return next(value for value in values if value is not None)


def _throws(value: Any) -> tuple[type[BaseException], ...]:
    if value is None:
        return ()
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def _takes_two(function: Any) -> bool:
    """True if the function takes two arguments; also of a built-in one, which may not say."""
    if not callable(function):
        return False
    try:
        inspect.signature(function).bind(0, None)
    except TypeError:
        return False
    except ValueError:
        pass
    return True


def _times(count: int) -> str:
    return "one attempt" if count == 1 else f"{count} attempts"
