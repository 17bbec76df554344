"""The examples of docs/reference/workflows.md do what the page says."""

from __future__ import annotations

import json
import re
from typing import Any

from src.actors.arithmetic import add, mul, xsum
from src.jobs import Workflow
from src.jobs.core.workflow_models import When
from src.jobs.workflows import canvas, stored
from src.jobs.workflows.canvas import End, Step
from src.sql.database import Database, write
from tests.harness import ROOT
from tests.harness.workflows import Hand, view

PAGE = (ROOT / "docs" / "reference" / "workflows.md").read_text()
BLOCKS = re.findall(r"```python[^\n]*\n(.*?)```", PAGE, re.DOTALL)


def example(containing: str, **names: Any) -> dict[str, Any]:
    """Run the first example that has this text, and return its names."""
    block = next(block for block in BLOCKS if containing in block)
    exec(compile(block, "docs/reference/workflows.md", "exec"), names)
    return names


def test_the_graph(database: Database) -> None:
    receipt = example("nightly")["receipt"]
    hand = Hand(database)
    for name, result in (("add", 3), ("mul", 9), ("mul-2", 12)):
        hand.end(receipt.jobs[name], result=result)

    assert view(database, receipt).step("xsum").args == [[9, 12]]


def test_the_shapes_can_be_built(database: Database) -> None:
    lines = [
        line.partition("#")[0] for line in next(block for block in BLOCKS if "canvas.chord" in block).splitlines() if "canvas." in line
    ]
    names = {
        "canvas": canvas,
        "add": add,
        "mul": mul,
        "xsum": xsum,
        "alarm": add,
        "done": add,
        "sweep": add,
        "members": [add.message(1, 1)],
    }
    built = [Workflow("example", eval(line, names)) for line in lines if not line.startswith("from")]

    assert [len(workflow.steps) for workflow in built] == [2, 10, 11, 2, 2, 3, 4]
    end: End = Workflow().add(add.message(1, 1))
    assert isinstance(end, Step)


def test_the_stored_signature(database: Database) -> None:
    workflow = Workflow("kept", add.message(1, 2))
    text = example("signatures.store", workflow=workflow, json=json, write=write)["text"]

    assert json.loads(text) == stored.store(workflow)


def test_every_word_for_when_is_explained() -> None:
    assert all(f'`"{when}"`' in PAGE for when in When)
