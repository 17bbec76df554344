"""Assignments: dictionaries, names and texts of a source, as its syntax tree has them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from . import literals
from .sources import Source


def pairs(node: Any) -> Iterator[tuple[str, ast.expr]]:
    """Yield the items of a dictionary, written as {…} or dict(…)."""
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            yield (
                str(literals.value(key)) if key is not None and literals.value(key) is not literals.UNKNOWN else ast.unparse(key or value),
                value,
            )
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict":
        yield from ((word.arg, word.value) for word in node.keywords if word.arg)


def followed(source: Source, node: ast.expr) -> ast.expr:
    """The value of a name that the module assigns; other expressions stay."""
    if isinstance(node, ast.Name):
        for each in ast.walk(source.tree):
            if isinstance(each, ast.Assign) and any(isinstance(target, ast.Name) and target.id == node.id for target in each.targets):
                return each.value
    return node


def texts(source: Source, node: ast.expr) -> Iterator[str]:
    """Yield the texts of an expression, and of the names in it that the module assigns."""
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value
        elif isinstance(each, ast.Name) and (value := followed(source, each)) is not each:
            yield from (inner.value for inner in ast.walk(value) if isinstance(inner, ast.Constant) and isinstance(inner.value, str))


def assignments(body: Any) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names that a body assigns, also in its conditions and classes; of a dictionary its items."""
    if isinstance(body, ast.expr):
        yield from pairs(body)
        return
    for each in body:
        for node in ast.walk(each):
            if isinstance(node, ast.Assign):
                yield from ((target.id, node.value) for target in node.targets if isinstance(target, ast.Name))
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
                yield node.target.id, node.value


def named_celery(tree: ast.Module) -> Iterator[ast.expr]:
    """Yield dictionaries that are assigned, or passed, under the name CELERY."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg and node.arg.upper().startswith("CELERY") and list(pairs(node.value)):
            yield node.value
        elif isinstance(node, ast.Assign) and list(pairs(node.value)):
            for target in node.targets:
                text = ast.unparse(target).upper()
                if text.startswith("CELERY") or text.endswith(("['CELERY']", "['CELERY_CONFIG']")):
                    yield node.value
