"""Values that a source writes down: constants, intervals and crontabs, tried against this interface's own rules."""

from __future__ import annotations

import ast
from datetime import timedelta
from typing import Any

from ..base.differences import Unsupported
from ..schedules import crontab, maybe_schedule
from .inventory import Inventory, Place

_CRONTAB = ("minute", "hour", "day_of_week", "day_of_month", "month_of_year")


class Unknown:
    """A value that only running the code shows."""


UNKNOWN = Unknown()


def value(node: ast.AST | None) -> Any:
    """A constant's value, one of a list or dictionary of constants, a timedelta, or arithmetic of these; else UNKNOWN. None for no node."""
    try:
        return None if node is None else _value(node)
    except (ValueError, TypeError, ArithmeticError):
        return UNKNOWN


def _value(node: ast.AST) -> Any:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Add | ast.Div):
        left, right = value(node.left), value(node.right)
        if UNKNOWN in (left, right):
            return UNKNOWN
        return left * right if isinstance(node.op, ast.Mult) else left + right if isinstance(node.op, ast.Add) else left / right
    if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "timedelta":
        words = {word.arg: value(word.value) for word in node.keywords if word.arg}
        numbers = [value(each) for each in node.args]
        return UNKNOWN if UNKNOWN in (*words.values(), *numbers) else timedelta(*numbers, **words)
    return ast.literal_eval(node)


def check_crontab(node: ast.Call, place: Place, found: Inventory) -> None:
    """Note a crontab that this interface refuses; fields that are not constants count as any value of theirs."""
    words = dict(zip(_CRONTAB, map(value, node.args), strict=False)) | {word.arg: value(word.value) for word in node.keywords if word.arg}
    fields = {name: given for name, given in words.items() if name in _CRONTAB and given is not UNKNOWN}
    try:
        crontab(**fields, nowfun=words.get("nowfun"))
    except (Unsupported, TypeError, ValueError) as error:
        found.change(place, str(error))


def check_interval(node: ast.AST, place: Place, found: Inventory) -> None:
    """Note an interval that this interface refuses, such as one below a second."""
    given = value(node)
    if not isinstance(given, int | float | timedelta):
        return
    try:
        maybe_schedule(given)
    except ValueError as error:
        found.change(place, str(error))
        return
    found.differs("schedule", place)
