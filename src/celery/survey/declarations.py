"""Tasks, their options and base classes, as an application declares them."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from ..app.declaring import OPTIONS
from ..base.differences import DIFFERENCES, refused
from .inventory import FoundTask, Inventory, Place
from .names import BASES, DECORATORS, Names, decorator_of
from .sources import Source

_HOOKS = ("before_start", "on_success", "on_retry", "on_failure", "after_return", "on_bound", "__call__", "__init__", "run")
_ELSEWHERE = frozenset({"base", "bind", "name"})
_OLD = frozenset({"celery.task", "celery.task.task", "celery.decorators.task", "celery.task.periodic_task"})

Function = ast.FunctionDef | ast.AsyncFunctionDef


def decorator(source: Source, names: Names, function: Function) -> tuple[ast.expr, dict[str, ast.expr]] | None:
    """The decorator that makes a function a task, with its options; None if it has none."""
    for each in function.decorator_list:
        if names.of(source, decorator_of(each)) in DECORATORS:
            return each, {word.arg: word.value for word in each.keywords if word.arg} if isinstance(each, ast.Call) else {}
    return None


def survey(source: Source, names: Names, found: Inventory) -> None:
    """Note the tasks and base classes of one module."""
    for node in ast.walk(source.tree):
        if isinstance(node, Function):
            declared = decorator(source, names, node)
            if declared is not None:
                _task(source, names, node, *declared, found)
        elif isinstance(node, ast.ClassDef) and names.of(source, ast.Name(node.name)) == "base":
            _class(source, node, found)
        elif isinstance(node, ast.ClassDef) and names.of(source, ast.Name(node.name)) == "factory":
            for each in node.body:
                if isinstance(each, Function):
                    found.differs(f"override of app.{each.name}", Place(source.shown, each.lineno))


def _task(source: Source, names: Names, node: Function, made: ast.expr, options: dict[str, ast.expr], found: Inventory) -> None:
    place = Place(source.shown, node.lineno)
    named = options.get("name")
    name = str(named.value) if isinstance(named, ast.Constant) else f"{source.module}.{node.name}"
    found.tasks.append(FoundTask(name, place, {option: ast.unparse(value) for option, value in options.items() if option != "name"}))
    if isinstance(node, ast.AsyncFunctionDef):
        found.change(place, f"{name} is a coroutine function, which Celery does not run: declare it with @dramatiq.actor.")
    if names.of(source, decorator_of(made)) in _OLD:
        found.change(Place(source.shown, made.lineno), "This decorator is gone from Celery 5: write @shared_task or @app.task.")
    elif isinstance(made, ast.Call) and made.args:
        found.change(Place(source.shown, made.lineno), "@task takes the function alone, or named options.")
    if isinstance(made, ast.Call) and (unread := [ast.unparse(word.value) for word in made.keywords if not word.arg]):
        found.look(place, f"{name}: the options of **{', **'.join(unread)} are known only when the code runs.")
    base = options.get("base")
    if base is not None and names.of(source, base) not in ("base", *BASES):
        text = f"base={ast.unparse(base)} is declared outside of the path: it must be a subclass of callboard.celery.Task."
        if (source.shown, text) not in {(each.file, known) for each, known in found.unread}:
            found.look(place, text)
    has_base = base is not None
    for option, value in options.items():
        _option(option, value, Place(source.shown, value.lineno), has_base, found)


def _option(option: str, value: ast.expr, place: Place, has_base: bool, found: Inventory) -> None:
    row = f"task({option}=)"
    if option == "serializer" and isinstance(value, ast.Constant) and value.value in (None, "json"):
        return
    if row in DIFFERENCES:
        found.differs(row, place)
    elif option not in OPTIONS | _ELSEWHERE and not has_base:
        found.look(place, f"{option}= is not an option of a task: it becomes an attribute, and is warned of.")


def _class(source: Source, node: ast.ClassDef, found: Inventory) -> None:
    place = Place(source.shown, node.lineno)
    methods = [each.name for each in node.body if isinstance(each, Function)]
    hooks = [name for name in methods if name in _HOOKS]
    attributes = dict(_attributes(node.body))
    found.bases.append((f"{node.name} ({', '.join([*hooks, *attributes]) or 'no hook'})", place))
    if "run" in methods and _constant(attributes.get("abstract")) is not True:
        name = _constant(attributes.get("name")) or f"{source.module}.{node.name}"
        found.tasks.append(
            FoundTask(str(name), place, {option: ast.unparse(value) for option, value in attributes.items() if option in OPTIONS})
        )
    if "apply_async" in methods:
        found.differs("override of Task.apply_async", place)
    for name in {*methods, *attributes} & refused("Task."):
        found.differs(f"Task.{name}", place)
    for option, value in attributes.items():
        row = f"task({option}=)"
        if row in DIFFERENCES and not (option == "serializer" and _constant(value) in (None, "json")):
            found.differs(row, Place(source.shown, value.lineno))


def _attributes(body: Iterable[ast.stmt]) -> Iterable[tuple[str, ast.expr]]:
    for each in body:
        if isinstance(each, ast.Assign):
            for target in each.targets:
                if isinstance(target, ast.Name):
                    yield target.id, each.value
        elif isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name) and each.value is not None:
            yield each.target.id, each.value


def _constant(node: ast.expr | None) -> object:
    return node.value if isinstance(node, ast.Constant) else None
