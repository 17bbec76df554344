"""A job's changes to logging, the standard streams and context variables end with it."""

from __future__ import annotations

import contextlib
import contextvars
import decimal
import gc
import io
import logging
import logging.config
import socket
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dramatiq
import pytest
import structlog
from dramatiq.brokers.stub import StubBroker

import src.actors
from src.jobs import State
from src.jobs.attempts.log_lines import Lines
from src.logs import get_logger
from tests.harness.attempts import Attempts, declared, terminal

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


def basic_config() -> None:
    logging.basicConfig(force=True, level=logging.CRITICAL, format="mine %(message)s")


def disable() -> None:
    logging.disable(logging.CRITICAL)


def dict_config() -> None:
    logging.config.dictConfig({"version": 1, "root": {"level": "CRITICAL", "handlers": []}})


def close_handlers() -> None:
    root = logging.getLogger()
    for each in root.handlers[:]:
        root.removeHandler(each)
        each.close()


def quiet_handlers() -> None:
    for each in logging.getLogger().handlers:
        each.setLevel(logging.CRITICAL)
        each.setFormatter(logging.Formatter("other: %(message)s"))
        each.addFilter(lambda record: False)


def replace_streams() -> None:
    sys.stdout = io.StringIO()
    sys.stderr = None


def close_streams() -> None:
    sys.stdout.close()
    sys.stderr.close()
    io.TextIOWrapper(sys.stdout.buffer, "utf-8").close()


def no_records() -> None:
    logging.setLogRecordFactory(lambda *args, **kwargs: logging.makeLogRecord({}))  # which asks the factory, without end


def bind() -> None:
    VARIABLE.set("of another job")
    structlog.contextvars.bind_contextvars(bound="by another job")


def configure_structlog() -> None:
    structlog.configure(processors=[structlog.processors.KeyValueRenderer()], logger_factory=structlog.ReturnLoggerFactory())


def reset_structlog() -> None:
    structlog.reset_defaults()


def wrap_structlog() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def silence_own() -> None:
    own = {"src": {"level": "CRITICAL", "handlers": [], "propagate": False}}
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, "loggers": own})


def filter_own() -> None:
    logging.getLogger().addFilter(lambda record: False)
    logging.getLogger("src").addHandler(Raising())


def swap_streams() -> None:
    for each in logging.getLogger().handlers:
        if type(each) is logging.StreamHandler:
            each.setStream(io.StringIO())


class Raising(logging.Handler):
    """A handler that does not keep its errors to itself."""

    def emit(self, record: logging.LogRecord) -> None:
        raise RuntimeError("no connection to the log server")


def raising_handler() -> None:
    logging.getLogger().addHandler(Raising())


def raising_filter() -> None:
    handler = logging.NullHandler()
    handler.addFilter(lambda record: bool(1 / 0))
    logging.getLogger().addHandler(handler)


DONE: list[Callable[[], None]] = [
    basic_config, disable, dict_config, close_handlers, quiet_handlers, replace_streams, close_streams, no_records, bind, configure_structlog,
    reset_structlog, wrap_structlog, silence_own, filter_own, swap_streams, raising_handler, raising_filter,
]  # fmt: skip


@pytest.fixture(autouse=True)
def _handlers_of_the_test_end_with_it() -> Iterator[None]:
    was = logging.getLogger().handlers[:]
    yield
    logging.getLogger().handlers[:] = was


@pytest.mark.parametrize("deed", DONE, ids=lambda deed: deed.__name__)
@pytest.mark.parametrize("fails", [False, True], ids=["returns", "raises"])
def test_the_next_job_finds_everything_as_it_was(attempts: Attempts, deed: Callable[[], None], fails: bool) -> None:
    def change() -> None:
        deed()
        if fails:
            raise ValueError

    def work() -> str:
        print("printed")
        sys.stderr.write("to stderr\n")
        logging.getLogger("team.module").info("logged")
        logging.info("logged at the root")
        structlog.stdlib.get_logger("team").info("structured")
        return VARIABLE.get()

    with terminal() as written, declared(change) as changer, declared(work) as worker:
        assert attempts.run(changer.message()).state is (State.DEAD if fails else State.SUCCEEDED)
        written.truncate(0)
        job = attempts.run(worker.message())
        get_logger("src.own").warning("own_line")
        shown = written.getvalue()
    assert job.result == "unset"
    assert attempts.log(job) == [
        ("stdout", "printed"),
        ("stderr", "to stderr"),
        ("info", "logged"),
        ("info", "logged at the root"),
        ("info", "structured"),
    ]
    for words in ("printed", "to stderr", '"logged"', "logged at the root", "structured", "own_line"):
        assert shown.count(words) == 1, words
    assert "by another job" not in shown


def test_another_broker_that_a_job_sets_is_put_back_loudly(attempts: Attempts) -> None:
    def change() -> None:
        dramatiq.set_broker(StubBroker())

    def work() -> bool:
        return dramatiq.get_broker() is src.actors.broker

    with terminal() as written, declared(change) as changer, declared(work) as worker:
        attempts.run(changer.message())
        shown = written.getvalue()
        assert attempts.run(worker.message()).result is True
    assert shown.count("broker_put_back") == 1
    assert "take dramatiq.set_broker() out of the actor" in shown


def test_a_handler_that_fails_is_reported_once(attempts: Attempts) -> None:
    def work() -> None:
        for _ in range(3):
            logging.getLogger("team").warning("logged")

    with terminal() as written, declared(raising_handler) as adder, declared(work) as worker:
        for actor in (adder, worker, worker):
            assert attempts.run(actor.message()).state is State.SUCCEEDED
        shown = written.getvalue()
    assert shown.count("log_handler_failed") == 1
    assert "RuntimeError: no connection to the log server" in shown
    assert shown.count('"logged"') == 6


def test_switches_of_the_interpreter_are_put_back(attempts: Attempts) -> None:
    def state() -> tuple[Any, ...]:
        decimals = decimal.getcontext().prec
        return (
            list(warnings.filters),
            sys.getrecursionlimit(),
            sys.getswitchinterval(),
            socket.getdefaulttimeout(),
            gc.isenabled(),
            decimals,
        )

    seen = []

    def change() -> None:
        warnings.simplefilter("ignore")
        logging.captureWarnings(True)
        sys.setrecursionlimit(500)
        sys.setswitchinterval(1)
        socket.setdefaulttimeout(0.001)
        gc.disable()
        decimal.getcontext().prec = 2

    def work() -> None:
        seen.append(state())

    with terminal(), declared(change) as changer, declared(work) as worker:
        before, shows = state(), warnings.showwarning
        for actor in (changer, worker):
            assert attempts.run(actor.message()).state is State.SUCCEEDED
        assert seen == [before]
        assert warnings.showwarning is shows
    logging.captureWarnings(False)


def kept(log: Path) -> int:
    """The lines that the team's own job has logged there."""
    return log.read_text().splitlines().count("kept")


def test_handlers_of_a_teams_own_stay(attempts: Attempts, tmp_path: Path) -> None:
    before, within = logging.FileHandler(tmp_path / "before.log"), logging.FileHandler(tmp_path / "within.log")
    logging.getLogger().addHandler(before)

    def change() -> None:
        logging.getLogger().addHandler(within)

    def force() -> None:
        basic_config()

    def work() -> None:
        logging.getLogger("team").warning("kept")

    try:
        with terminal(), declared(change) as changer, declared(force) as forcer, declared(work) as worker:
            for actor in (changer, worker):
                attempts.run(actor.message())
            assert kept(tmp_path / "within.log") == 1
            for actor in (forcer, worker):
                attempts.run(actor.message())
        assert kept(tmp_path / "before.log") == 2
    finally:
        for each in (before, within):
            logging.getLogger().removeHandler(each)
            each.close()


def test_a_progress_bar_is_its_last_state(attempts: Attempts) -> None:
    def bar() -> None:
        for each in range(20_001):
            sys.stderr.write(f"\r{each / 200:.0f}%|{'#' * 60}| {each}/20000 ")
            sys.stderr.flush()
        sys.stderr.write("\n")
        for each in range(5_000):
            print(f"step {each}", end="\r")
        print("\r\ndone\r\nafter it")

    with terminal() as written, declared(bar) as actor:
        job = attempts.run(actor.message())
    kept = [text for _, text in attempts.log(job)]
    assert kept == [f"100%|{'#' * 60}| 20000/20000 ", "step 4999", "done", "after it"]
    assert len(written.getvalue()) < 1_000


def test_lines_that_are_not_ended_are_the_last_state_too() -> None:
    lines = Lines()
    for percent in ("10%\r", "20%\r", "\r\r30%", "\r40%\r"):
        lines.write("stdout", percent)
    assert lines.take() == []
    assert [line.text for line in lines.pending()] == ["40%"]


@pytest.mark.both_stores
def test_bytes_go_where_texts_go(attempts: Attempts) -> None:
    def write() -> list[Any]:
        euro = "€\n".encode()
        sys.stdout.buffer.write(b"bytes \xff ")
        for byte in euro:
            sys.stdout.buffer.write(bytes([byte]))
        wrapped = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", write_through=True)
        wrapped.write("wrapped\n")
        del wrapped
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        with contextlib.redirect_stdout(sys.stderr):
            print("redirected")
        print("and on")
        return [sys.stdout.buffer.writable(), sys.stdout.errors]

    with terminal() as written, declared(write) as writer:
        job = attempts.run(writer.message())
    assert job.result == [True, "backslashreplace"]
    assert attempts.log(job) == [("stdout", "bytes \\xff €"), ("stdout", "wrapped"), ("stderr", "redirected"), ("stdout", "and on")]
    assert "bytes \\xff €" in written.getvalue()
