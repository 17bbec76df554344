"""Capture: what actors log and print is kept with their attempt, and still goes where it went before.

From here on every logged line also carries the id of the job it is said on behalf of, whoever says it: our own engine,
an actor, a library. Nothing is paid by an actor that says nothing: the job is looked up only when a line is written.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

from dramatiq.compat import StreamablePipe

from src.broker.whole_lines import WholeLines
from src.jobs.current import RunningJob, current_job
from src.jobs.lines import LINE_LIMIT, Line
from src.logs import speak_for

Find = Callable[[], RunningJob | None]

#: loggers of this house's own engine: what they say is about the attempt, not of it
OWN = ("src.broker.", "src.jobs.", "dramatiq.", "pika")


def install(find: Find = lambda: current_job.job) -> None:
    """Keep from here on what is printed and logged while `find` has a job."""
    sys.stdout = _Tee(_whole(_stream(sys.stdout)), "stdout", find)
    sys.stderr = _Tee(_whole(_stream(sys.stderr)), "stderr", find)
    root = logging.getLogger()
    _without_keepers(root)
    for handler in root.handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.stream = _whole(_stream(handler.stream))  # not the tee: each logged line would be kept twice
    root.addHandler(_Keeper(find))
    speak_for(lambda: _facts(find()))


def uninstall() -> None:
    """Put everything back (tests)."""
    sys.stdout, sys.stderr = _stream(sys.stdout), _stream(sys.stderr)
    _without_keepers(logging.getLogger())
    speak_for(None)


def all_lines(job: RunningJob) -> list[Line]:
    """What its attempt, which ends in this thread, has said and is not written yet; a line it has only begun ends here."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, _Tee):
            stream.end_line()  # the next line is another's
    return job.log().pending()


class _Tee:
    """A stream that also keeps what it is given, and passes it on in whole lines: print() writes the line break apart."""

    def __init__(self, stream: Any, level: str, find: Find) -> None:
        self.stream = stream
        self._level = level
        self._find = find
        self._begun = _Begun()

    def write(self, text: str) -> int:
        whole, ended, begun = (self._begun.text + text).rpartition("\n")
        self._begun.text = begun
        if ended:
            self.stream.write(whole + ended)
        if len(begun) > LINE_LIMIT:
            self.end_line()
        job = self._find()
        if job is not None:
            job.log().write(self._level, text)
        return len(text)

    def end_line(self) -> None:
        begun, self._begun.text = self._begun.text, ""
        if begun:
            self.stream.write(f"{begun}\n")

    def flush(self) -> None:
        if self._find() is None:
            self.end_line()  # nobody would do it later
        self.stream.flush()

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


class _Begun(threading.local):
    """The line that a thread has begun."""

    text = ""


class _Keeper(logging.Handler):
    """Keeps log records; structlog's come with their event as a dictionary."""

    def __init__(self, find: Find) -> None:
        super().__init__()
        self._find = find

    def createLock(self) -> None:
        self.lock = None  # nothing is shared, and an interrupted actor must not leave a lock held

    def handle(self, record: logging.LogRecord) -> bool:
        # The stock one takes the lock, from Python 3.13 on without asking whether there is one.
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
    return WholeLines(stream) if isinstance(stream, StreamablePipe) else stream


def _stream(stream: Any) -> Any:
    return stream.stream if isinstance(stream, _Tee) else stream
