"""Workflows at a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.sql.cli.conftest import Terminal


@pytest.mark.long
def test_a_workflow_is_submitted_from_a_file_shown_cancelled_and_retried(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "nightly.json"
    file.write_text(json.dumps({"name": "nightly", "chain": [{"actor": "add", "args": [1, 2]}, {"actor": "mul", "args": [3]}]}))
    id = terminal.run("workflow", "submit", str(file), "--idempotency-key", "k")
    assert terminal.run("workflow", "submit", str(file), "--idempotency-key", "k") == id
    assert terminal.run("workflows").startswith(f"{id}  running    nightly")
    shown = json.loads(terminal.run("workflow", "show", id))
    assert [step["after"] for step in shown["steps"]] == [[], ["add"]]
    assert terminal.run("workflow", "cancel", id) == f"{id}  2 cancelled or stopping"
    assert terminal.run("workflow", "retry", id) == f"{id}  2 queued or waiting again"
    file.write_text('{"chain": [{"actor": "nobody"}]}')
    assert "No actor named 'nobody'" in terminal.run("workflow", "submit", str(file), code=1)
    assert "There is no workflow nobody" in terminal.run("workflow", "show", "nobody", code=1)


def test_a_file_is_beside_the_caller_and_standard_input_is_read(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "one.json").write_text('{"chain": [{"actor": "add", "args": [1, 2]}]}')
    terminal.environment["CALLBOARD_CALLED_FROM"] = str(tmp_path / "here")
    id = terminal.run("workflow", "submit", "one.json")
    assert terminal.run("workflows").startswith(id)
    assert "~nobody.json cannot be read: No such file or directory" in terminal.run("workflow", "submit", "~nobody.json", code=1)
    assert "other.json cannot be read: No such file or directory" in terminal.run("workflow", "submit", "other.json", code=1)
    assert "The standard input is not valid JSON" in terminal.run("workflow", "submit", "-", code=1)
