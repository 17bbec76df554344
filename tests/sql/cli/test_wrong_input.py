"""Wrong input of each kind ends a command with a line that names it, without a traceback or an endless wait."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest

from tests.sql.cli.conftest import Terminal

_ADD = ("submit", "add", "--args", "[1, 2]")


@pytest.mark.long
@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        ((*_ADD, "--unique-key", ""), 1, "--unique-key: Enter at least 1 character."),
        ((*_ADD, "--unique-key", "x" * 300), 1, "--unique-key: Enter at most 255 characters"),
        ((*_ADD, "--delay", "-5m"), 1, "delay: Give a duration such as 90 (seconds)"),
        ((*_ADD, "--wait", "--timeout", "nan"), 2, "'nan' is not a number of seconds"),
        ((*_ADD, "--wait", "--timeout", "inf"), 2, "'inf' is not a number of seconds"),
        ((*_ADD, "--wait", "--timeout", "-1"), 2, "-1.0 is not in the range"),
        (("bulk", "retry", "state:dead", "--wait", "--timeout", "nan"), 2, "'nan' is not a number of seconds"),
        (("reset-breaker", "ad"), 1, "There is no actor named 'ad'"),
        (("workflow", "submit", "-"), 1, "The standard input is not valid JSON"),
        (("top", "--every", "nan"), 2, "'nan' is not a number of seconds"),
    ],
)
def test_a_wrong_option_is_named(terminal: Terminal, words: tuple[str, ...], code: int, complaint: str) -> None:
    assert complaint in terminal.run(*words, code=code)


@pytest.mark.parametrize("verb", ["job", "retry", "cancel", "edit", "discard"])
def test_an_argument_that_is_not_utf_8_is_named(terminal: Terminal, verb: str) -> None:
    told = terminal.run(verb, os.fsdecode(b"\xff"), code=1)
    assert told == "✘ '\\udcff' is not UTF-8: names and paths are text in UTF-8."


def test_an_edit_of_an_unknown_job_says_so(terminal: Terminal) -> None:
    id = str(uuid.uuid4())
    assert f"There is no job {id}." in terminal.run("edit", id, "--priority", "5", code=1)


@pytest.mark.long
@pytest.mark.parametrize("text", ["{", '{"steps": [NaN]}', "[" * 100_000, '{"x": 1e400}'])
def test_a_file_that_is_not_json_is_named(terminal: Terminal, tmp_path: Path, text: str) -> None:
    (tmp_path / "flow.json").write_text(text)
    assert f"{tmp_path}/flow.json is not valid JSON" in terminal.run("workflow", "submit", str(tmp_path / "flow.json"), code=1)
