"""Capture: stores what actors log and print with their attempt, and passes it on to its original destination.

From here on every logged line also carries the id of its job, whether the engine, an actor or a library writes it.
Silent actors pay nothing: the job is looked up only when a line is written.
"""

from __future__ import annotations

import codecs
import io
import logging
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

import structlog
from dramatiq.compat import StreamablePipe

from ...jobs.attempts.current_job import RunningJob, current_job
from ...jobs.attempts.log_lines import LINE_LIMIT, Line, last_state
from ...jobs.attempts.masking import mask_stray
from ...logs import get_logger, mask_by, speak_for, writes_to_terminal
from ..core.line_pipe import LinePipe
from .interpreter_state import InterpreterState

log = get_logger(__name__)

Find = Callable[[], RunningJob | None]

_ROOT = __name__.partition(".")[0]
#: the engine's own loggers: their lines are about the attempt and do not belong in its log
OWN = (f"{_ROOT}.broker.", f"{_ROOT}.jobs.", "dramatiq.", "pika")


class _Surroundings(NamedTuple):
    """State of logging and of the standard streams before any actor has changed them."""

    stdout: _Tee
    stderr: _Tee
    handlers: list[tuple[logging.Handler, int, logging.Formatter | None, list[Any], Any]]  # with level, formatter, filters and stream
    own: list[logging.Handler]  # the same ones
    loggers: list[tuple[logging.Logger, int, bool, list[logging.Handler], list[Any]]]  # the root and Callboard's
    disabled: int
    silent: frozenset[str]  # loggers that were already disabled
    factory: Callable[..., logging.LogRecord]
    structured: dict[str, Any]
    interpreter: InterpreterState


_surroundings: _Surroundings | None = None
#: disabled by any configuration that disables the loggers it does not name
_SENTINEL = logging.getLogger(__name__)


def install(find: Find = lambda: current_job.job) -> None:
    """Start capturing printed and logged lines while `find` returns a job."""
    global _surroundings  # as sys.stdout and the root logger, of which there is one in a process
    stdout = sys.stdout = _Tee(_whole(_stream(sys.stdout)), "stdout", find)
    stderr = sys.stderr = _Tee(_whole(_stream(sys.stderr)), "stderr", find)
    root = logging.getLogger()
    _without_keepers(root)
    for handler in root.handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.stream = _whole(_stream(handler.stream))  # not the tee: each logged line would be stored twice
    root.addHandler(_Keeper(find))
    speak_for(lambda: _facts(find()))
    mask_by(lambda text: mask_stray(text) if (job := find()) is None else job.mask(text))
    _surroundings = _Surroundings(
        stdout=stdout,
        stderr=stderr,
        handlers=[(each, each.level, each.formatter, each.filters[:], getattr(each, "stream", None)) for each in root.handlers],
        own=root.handlers[:],
        loggers=[(each, each.level, each.propagate, each.handlers[:], each.filters[:]) for each in (root, logging.getLogger(_ROOT))],
        disabled=root.manager.disable,
        silent=frozenset(each.name for each in _loggers() if each.disabled),
        factory=logging.getLogRecordFactory(),
        structured=structlog.get_config(),
        interpreter=InterpreterState.present(),
    )
    _guard(root)


def uninstall() -> None:
    """Restore everything (tests)."""
    global _surroundings
    put_back()
    _surroundings = None
    sys.stdout, sys.stderr = _stream(sys.stdout), _stream(sys.stderr)
    _without_keepers(logging.getLogger())
    speak_for(None)
    mask_by(None)


def put_back() -> None:
    """Undo an attempt's changes to logging, the standard streams and switches of the interpreter.

    Such as `basicConfig(force=True)`, `dictConfig`, `disable`, another sys.stdout, or warnings that raise. Handlers that do not write
    to the terminal stay: they belong to the application.
    """
    was = _surroundings
    if was is None:
        return
    was.interpreter.put_back()
    root = logging.getLogger()
    if sys.stdout is not was.stdout:
        sys.stdout = was.stdout
    if sys.stderr is not was.stderr:
        sys.stderr = was.stderr
    if root.manager.disable != was.disabled:
        logging.disable(was.disabled)
    for logger, level, propagates, own, filters in was.loggers:
        if logger.level != level:
            logger.setLevel(level)
        logger.propagate = propagates
        if logger.filters != filters:
            logger.filters[:] = filters
        if logger is not root and logger.handlers != own:
            logger.handlers[:] = own
    if logging.getLogRecordFactory() is not was.factory:
        logging.setLogRecordFactory(was.factory)
    if _SENTINEL.disabled:
        for logger in _loggers():
            logger.disabled = logger.name in was.silent
    if root.handlers != was.own:
        root.handlers[:] = [*was.own, *(each for each in root.handlers if each not in was.own and not _is_to_terminal(each, was))]
        _guard(root)
    for handler, level, formatter, filters, stream in was.handlers:
        handler.level, handler.formatter = level, formatter
        if type(handler) is logging.StreamHandler:  # a closed FileHandler opens its file again
            handler.stream = stream
        if handler.filters != filters:
            handler.filters[:] = filters
    if structlog.get_config() != was.structured:
        structlog.configure(**was.structured)


def _guard(root: logging.Logger) -> None:
    """Keep errors of the application's handlers from the code that logs: they would end later jobs, and Callboard's own threads."""
    for handler in root.handlers:
        if not isinstance(handler, _Keeper) and "handle" not in vars(handler):
            handler.handle = _Guarded(handler)  # type: ignore[method-assign]


class _Guarded:
    """The `handle` of a handler, without its errors; the first one is logged."""

    def __init__(self, handler: logging.Handler) -> None:
        self._handle = handler.handle
        self._name = type(handler).__name__
        self._has_failed = False

    def __call__(self, record: logging.LogRecord) -> Any:
        try:
            return self._handle(record)
        except Exception as error:  # noqa: BLE001 - whatever a handler or its filter raises
            if not self._has_failed:
                self._has_failed = True
                log.warning("log_handler_failed", handler=self._name, error=f"{type(error).__name__}: {error}")
            return False


def _loggers() -> list[logging.Logger]:
    return [each for each in list(logging.getLogger().manager.loggerDict.values()) if isinstance(each, logging.Logger)]


def _is_to_terminal(handler: logging.Handler, was: _Surroundings) -> bool:
    stream = getattr(handler, "stream", None)
    return writes_to_terminal(handler) or any(stream is each for tee in (was.stdout, was.stderr) for each in (tee, tee.stream))


def all_lines(job: RunningJob) -> list[Line]:
    """Return the unwritten lines of the attempt that ends in this thread, including an unfinished one."""
    if _surroundings is not None:  # not sys.stdout, which the actor may have replaced
        _surroundings.stdout.end_line()  # the next line belongs to another attempt
        _surroundings.stderr.end_line()
    return job.log().pending()


class _Tee:
    """A stream that also stores what is written, and passes it on in whole lines: print() writes the line break separately."""

    errors = "backslashreplace"
    newlines = None

    def __init__(self, stream: Any, level: str, find: Find) -> None:
        self.stream = stream
        self.buffer = _Bytes(self)
        self._level = level
        self._find = find
        self._begun = _Begun()

    def write(self, text: str) -> int:
        job = self._find()
        whole, ended, begun = (self._begun.text + text).rpartition("\n")
        if "\r" in begun:
            begun = last_state(begun) + ("\r" if begun.endswith("\r") else "")
        self._begun.text = begun
        if ended:
            self._pass_on(whole, job)
        if len(begun) > LINE_LIMIT:
            self.end_line()
        if job is not None:
            job.log().write(self._level, text)
        return len(text)

    def write_bytes(self, data: bytes) -> None:
        """Write UTF-8 bytes; a character may be split across two writes."""
        self.write(self._begun.decoder.decode(data))

    def end_line(self) -> None:
        begun, self._begun.text = self._begun.text, ""
        if begun:
            self._pass_on(begun, self._find())

    def flush(self) -> None:
        if self._find() is None:
            self.end_line()  # no later write would do it
        self.stream.flush()

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def reconfigure(self, **_: Any) -> None:
        """Do nothing: the stream accepts every text already."""

    def close(self) -> None:
        """Stay open: other jobs print, too."""
        self.flush()

    def _pass_on(self, lines: str, job: RunningJob | None) -> None:
        if "\r" in lines:
            lines = "\n".join(last_state(line) for line in lines.split("\n"))
        self.stream.write(f"{mask_stray(lines) if job is None else job.mask(lines)}\n")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


class _Bytes(io.RawIOBase):
    """The `buffer` of such a stream, for code that writes bytes."""

    def __init__(self, tee: _Tee) -> None:
        self._tee = tee

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        data = bytes(data)
        self._tee.write_bytes(data)
        return len(data)

    def fileno(self) -> int:
        return int(self._tee.fileno())

    def flush(self) -> None:
        self._tee.flush()

    def close(self) -> None:
        """Stay open: a TextIOWrapper that is garbage-collected closes the stream it wraps."""


class _Begun(threading.local):
    """The unfinished line and partial character of a thread."""

    def __init__(self) -> None:
        self.text = ""
        self.decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")


class _Keeper(logging.Handler):
    """Stores log records; structlog's carry their event as a dictionary."""

    def __init__(self, find: Find) -> None:
        super().__init__()
        self._find = find

    def createLock(self) -> None:
        self.lock = None  # nothing is shared, and an interrupted actor must not leave a lock held

    def handle(self, record: logging.LogRecord) -> bool:
        # The stock method takes the lock, since Python 3.13 without checking whether there is one.
        kept = self.filter(record)
        if kept:
            self.emit(kept if isinstance(kept, logging.LogRecord) else record)
        return bool(kept)

    def emit(self, record: logging.LogRecord) -> None:
        job = self._find()
        if job is None or record.name.startswith(OWN):
            return
        try:
            job.log().add(record.levelname.lower(), _text(record))
        except Exception:  # noqa: BLE001 - a record that cannot be formatted must not end the attempt
            self.handleError(record)


def _facts(job: RunningJob | None) -> dict[str, Any] | None:
    return None if job is None else {"job_id": job.id, "actor": job.actor, "attempt": job.attempt}


def _text(record: logging.LogRecord) -> str:
    if isinstance(record.msg, dict):
        fields = dict(record.msg)
        for own in ("timestamp", "level", "logger", "_record", "_from_structlog"):
            fields.pop(own, None)
        event, trouble = fields.pop("event", ""), fields.pop("exc_info", None)
        text = " ".join([str(event), *(f"{name}={value!r}" for name, value in fields.items())])
    else:
        text, trouble = record.getMessage(), record.exc_info
    if trouble:
        trouble = sys.exc_info() if trouble is True else trouble
        trouble = (type(trouble), trouble, trouble.__traceback__) if isinstance(trouble, BaseException) else trouble
        if trouble[0] is not None:
            text = f"{text}\n{''.join(traceback.format_exception(*trouble)).rstrip()}"
    return text


def _without_keepers(root: logging.Logger) -> None:
    for keeper in [one for one in root.handlers if isinstance(one, _Keeper)]:
        root.removeHandler(keeper)


def _whole(stream: Any) -> Any:
    return LinePipe(stream) if isinstance(stream, StreamablePipe) else stream


def _stream(stream: Any) -> Any:
    return stream.stream if isinstance(stream, _Tee) else stream
