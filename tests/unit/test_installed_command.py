"""The name of the command line: an installed package has no `./run`, `.venv` or `src/actors` of its own."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import ROOT

SOURCE = ROOT / "src"
#: names of a checkout that an installed package must not name
OF_A_CHECKOUT = re.compile(r"\./run\b|\.venv/bin/|src/actors")
#: the modules that define what a checkout says instead, and that run in a checkout only
DEFINITIONS = {"__init__.py", "up/environment.py", "cli/entry.py", "cli/machine/development.py"}


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """The texts of a module with their lines, without its docstrings."""
    tree = ast.parse(path.read_text())
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def test_no_text_names_what_only_a_checkout_has() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}  {text}"
        for path in SOURCE.rglob("*.py")
        if path.relative_to(SOURCE).as_posix() not in DEFINITIONS
        if OF_A_CHECKOUT.search(path.read_text())
        for line, text in texts(path)
        if OF_A_CHECKOUT.search(text)
    ]

    assert not found, "take COMMAND or ACTOR_MODULES of src/__init__.py:\n" + "\n".join(found)


@pytest.mark.parametrize("suffix", ["html", "txt", "js", "css", "sql", "mako"])
def test_no_template_or_script_names_what_only_a_checkout_has(suffix: str) -> None:
    found = [str(path.relative_to(ROOT)) for path in SOURCE.rglob(f"*.{suffix}") if OF_A_CHECKOUT.search(path.read_text())]

    assert not found, "take {{ command }}"
