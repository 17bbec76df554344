"""Logs of every process: configured from its start, with bounded tracebacks that show no variables."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog

from src.logs import TRACEBACK_LIMIT, configure_logs, get_logger
from src.settings import get_settings
from src.up.data.log_files import readable
from tests.harness import ROOT

PLANTED = "plant3d-s3cret"


@contextmanager
def logged() -> Iterator[io.StringIO]:
    """Return this process's log records in the block, as JSON and from errors on."""
    root = logging.getLogger()
    handlers, level, structured = root.handlers[:], root.level, structlog.get_config()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CALLBOARD_LOG_FORMAT", "json")
        patch.setenv("CALLBOARD_LOG_LEVEL", "error")
        get_settings.cache_clear()
        stream = io.StringIO()
        patch.setattr(sys, "stderr", stream)
        yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**structured)
    get_settings.cache_clear()


def _fail(password: str, more: str = "") -> None:
    raise ValueError("no" + more)


SERVED = """
import logging
{before}
from src.web import create_app
create_app()
from src.logs import get_logger
get_logger("src.web.http.responses.errors").info("unimportant")
logging.getLogger("werkzeug").warning("unimportant, too")
def fail(password):
    raise ValueError("no")
try:
    fail("plant3d-" + "s3cret")
except ValueError as error:
    get_logger("src.web.http.responses.errors").error("request_failed", exc_info=error)
"""


def served(tmp_path: Path, before: str = "", after: str = "") -> str:
    """Create the console's application in a process of its own; return what it logs."""
    environment = {**os.environ, "CALLBOARD_LOG_FORMAT": "json", "CALLBOARD_LOG_LEVEL": "error", "CALLBOARD_DATA_DIR": str(tmp_path)}
    program = [sys.executable, "-c", SERVED.format(before=before) + after]
    return subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=True).stderr


def test_the_web_process_logs_in_the_configured_form_from_its_start(tmp_path: Path) -> None:
    [line] = served(tmp_path).splitlines()
    said = json.loads(line)
    assert (said["event"], said["level"]) == ("request_failed", "error")
    assert said["exception"].endswith("ValueError: no")
    assert PLANTED not in line


@pytest.mark.parametrize(
    "before",
    [
        "logging.basicConfig(level=logging.WARNING, format='APP %(message)s')",
        "structlog.configure(processors=[structlog.processors.KeyValueRenderer()])",
        "import src.logs; structlog.configure(processors=[structlog.processors.KeyValueRenderer()])",
    ],
    ids=["logging", "structlog", "structlog_later"],
)
def test_an_application_that_mounts_the_console_keeps_its_logging(tmp_path: Path, before: str) -> None:
    facts = "[(root.level, root.handlers[:], structlog.get_config()['processors'], logging.getLogger('pika').level)]"
    before = f"import structlog\n{before}\nimport src.logs\nroot = logging.getLogger()\nwas = {facts}"

    said = served(tmp_path, before, f"assert was == {facts}\n")

    assert '"event"' not in said


def test_a_traceback_is_bounded_whatever_the_exception_says() -> None:
    with logged() as written:
        configure_logs()
        for log in (get_logger("src.web.http.responses.errors"), logging.getLogger("team")):
            try:
                _fail(PLANTED, "x" * 3_000_000)
            except ValueError:
                log.exception("failed")

    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert len(lines) == 2
    for line in lines:
        assert len(line["exception"]) < TRACEBACK_LIMIT + 100
        assert "characters left out" in line["exception"]


def test_before_anything_is_configured_a_traceback_shows_no_variables() -> None:
    program = """
from src.logs import get_logger
def fail(password):
    raise ValueError("no")
try:
    fail("plant3d-" + "s3cret")
except ValueError:
    get_logger("program").exception("failed")
"""
    said = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert "ValueError: no" in said.stderr
    assert said.stdout == ""
    assert PLANTED not in said.stderr


EVIL = "job\n2026-01-01 [info] forged \x1b[2J\x1b]0;title\x07\r\x9b31m"


def test_a_name_can_neither_forge_a_line_nor_command_the_terminal() -> None:
    with logged() as written, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CALLBOARD_LOG_FORMAT", "console")
        get_settings.cache_clear()
        configure_logs()
        get_logger("src.web.http.errors").error("request_failed", path=EVIL)
        logging.getLogger("team").error("from %s", EVIL)
        assert len(written.getvalue().splitlines()) == 2
        try:
            raise ValueError(EVIL)
        except ValueError:
            get_logger("src.web.http.errors").exception("request_failed")
    printed = written.getvalue()
    assert printed.count("forged") == 3
    assert not set(printed) & set("\x07\r\x9b")
    assert "\x1b[2J" not in printed
    assert "\x1b]" not in printed


def test_logs_are_shown_without_commands_to_the_terminal() -> None:
    event = json.dumps({"event": f"from {EVIL}", "level": "info", "path": EVIL, "exception": f"trace\n  {EVIL}"})
    shown, *trace = readable(event).split("\n")
    assert trace[0] == "trace"
    assert "forged" in shown
    assert not set(readable(event)) & set("\x1b\x07\r\x9b")
    assert readable("a \x1b[31mred\x1b[0m line \x1b[2J") == "a \x1b[31mred\x1b[0m line \\x1b[2J\x1b[0m"
    assert readable("{\x1b[2J") == "{\\x1b[2J"
