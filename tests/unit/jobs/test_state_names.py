"""States are named by their members: a state spelled as text, in a statement or elsewhere, matches no row if it is misspelt."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from src.jobs.core.states import State
from tests.harness import ROOT

SOURCES = ROOT / "src"
#: rooms whose words of states are those of jobs
ROOMS = ("actors", "broker", "cli", "jobs", "operations")
#: may spell states in statements: the states of mails are another enumeration
SPELLING = {"jobs/core/states.py", "mail/models.py"}
#: other enumerations with a word of the same spelling, a status of RabbitMQ's, and columns of samples
OWN_WORDS = {
    "broker/recover/management.py", "jobs/alerts/models.py", "jobs/core/states.py", "jobs/core/workflow_models.py", "jobs/upkeep/queue_samples.py",
}  # fmt: skip
_IN_SQL = re.compile(rf"'({'|'.join(State)})'")
#: in a source that spells a state, as a text or in a statement: the others need not be parsed
_QUOTED = re.compile(rf"['\"]({'|'.join(State)})['\"]")


@cache
def _texts(path: Path) -> list[str]:
    """Return the texts of a module that may spell a state, without names of a document's fields and expressions in f-strings."""
    source = path.read_text()
    if not _QUOTED.search(source):
        return []
    nodes = list(ast.walk(ast.parse(source)))
    keys = {key for node in nodes if isinstance(node, ast.Dict) for key in node.keys}
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in keys]


def test_no_statement_spells_a_state() -> None:
    spelling = {path for path in SOURCES.rglob("*.py") if "migrations" not in path.parts and any(map(_IN_SQL.search, _texts(path)))}

    assert {path.relative_to(SOURCES).as_posix() for path in spelling} == SPELLING


def test_no_code_spells_a_state() -> None:
    spelling = {path for room in ROOMS for path in (SOURCES / room).rglob("*.py") if set(State) & set(_texts(path))}

    assert {path.relative_to(SOURCES).as_posix() for path in spelling} == OWN_WORDS
