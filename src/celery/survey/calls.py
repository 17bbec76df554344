"""Calls of tasks, results, signals, the application and workflows, found in functions and at module level."""

from __future__ import annotations

import ast
from typing import Any

from ..base.differences import DIFFERENCES, refused, unknown
from ..core.messages import OPTIONS
from ..signals.signals import SIGNALS
from . import literals
from .declarations import Function, decorator
from .inventory import Inventory, Place
from .names import Names
from .sources import Source

#: parameters of apply_async() beside the options of a message
_PARAMETERS = frozenset({"args", "kwargs", "task_id", "producer", "link", "link_error", "shadow"})
_RETRY = frozenset({"exc", "throw", "eta", "countdown", "max_retries"})
_SHAPES = {
    f"celery.{place}{name}": name
    for name in ("chain", "group", "chord", "chunks", "xmap", "xstarmap", "signature")
    for place in ("", "canvas.")
}
_ROWS = {"chain": "chain(failing task)", "chord": "chord(failing header)"}
#: exceptions -> the row that describes them
_RAISED = {"celery.exceptions.Ignore": "Ignore", "celery.exceptions.Reject": "Reject(requeue=False)"}
_TERM = ("TERM", "SIGTERM", None)


def survey(source: Source, names: Names, found: Inventory) -> None:
    """Note the calls of one module."""
    _Visitor(source, names, found).visit(source.tree)


class _Visitor(ast.NodeVisitor):
    def __init__(self, source: Source, names: Names, found: Inventory) -> None:
        self.source, self.names, self.found = source, names, found
        self.local: dict[str, str] = {}
        self.in_base = False

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        outer, self.in_base = self.in_base, self.of(ast.Name(node.name)) == "base"
        self.generic_visit(node)
        self.in_base = outer

    def visit_FunctionDef(self, node: Function) -> None:
        for each in node.decorator_list:
            if not isinstance(each, ast.Call) and (name := self.of(each) or "").startswith("celery.signals.") and name.endswith(".connect"):
                self.signal(name.split(".")[2], each)
        outer, self.local = self.local, dict(self.local)
        first = next((each.arg for each in (*node.args.posonlyargs, *node.args.args)), None)
        declared = decorator(self.source, self.names, node)
        bind = literals.value(declared[1].get("bind")) if declared is not None else None
        if first is not None and (bind is True or (self.in_base and first == "self")):
            self.local[first] = "Task"
        for inner in ast.walk(node):
            if isinstance(inner, ast.Assign) and (kind := self.of(inner.value)) == "AsyncResult":
                self.local |= {target.id: kind for target in inner.targets if isinstance(target, ast.Name)}
        self.generic_visit(node)
        self.local = outer

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Attribute(self, node: ast.Attribute) -> None:
        name = self.of(node)
        if name in DIFFERENCES and name != "app.task":
            self.found.differs(str(name), self.place(node))
        elif node.attr in ("delay_on_commit", "apply_async_on_commit"):
            self.found.differs(f"Task.{node.attr}", self.place(node))
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if isinstance(node.op, ast.BitOr) and any(_is_signature(side) for side in (node.left, node.right)):
            self.shape("chain", node)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        words = {word.arg: word.value for word in node.keywords if word.arg}
        name = self.of(node.func)
        if name in _SHAPES:
            self.shape(_SHAPES[str(name)], node)
        elif name in _RAISED:
            requeue = name.endswith("Reject") and literals.value(words.get("requeue")) is True
            self.found.differs("Reject(requeue=True)" if requeue else _RAISED[str(name)], self.place(node))
        elif name is not None and name.startswith("celery.signals.") and name.endswith(".connect"):
            self.signal(name.split(".")[2], node)
        elif name == "celery.schedules.solar":
            self.found.differs("solar", self.place(node))
        elif name == "celery.schedules.crontab":
            literals.check_crontab(node, self.place(node), self.found)
        if isinstance(node.func, ast.Attribute):
            self.method(node, node.func.attr, name, words)
        self.generic_visit(node)

    def method(self, node: ast.Call, method: str, name: str | None, words: dict[str, Any]) -> None:
        """Note a call by its method's name, which is Celery's own."""
        place = self.place(node)
        if (
            method in ("apply_async", "send_task", "set")
            and "callback" not in words
            and (method == "apply_async" or name or _is_signature(node.func))
        ):
            self.options({word: value for word, value in words.items() if (method, word) != ("send_task", "name")})
        elif name == "Task.retry":
            for word, value in words.items():
                if word == "throw" and literals.value(value) is False:
                    self.found.differs("retry(throw=False)", place)
                elif word not in _RETRY:
                    row = f"retry({word}=)" if word in ("args", "kwargs", "queue") else "retry(options)"
                    self.found.differs(row, Place(self.source.shown, value.lineno))
        elif name == "Task.update_state":
            for word in words.keys() & {"task_id", "meta"}:
                self.found.differs(f"update_state({word}=)", place)
        elif name in ("AsyncResult.revoke", "app.control.revoke") and literals.value(words.get("signal")) not in _TERM:
            self.found.differs("revoke(signal=)", place)
        elif name == "AsyncResult.get":
            for word in words.keys() & {"on_message", "on_interval"}:
                self.found.differs(f"AsyncResult.get({word}=)", place)
        elif method == "add_periodic_task":
            self.found.schedules.append((_periodic(node, words), place))
            self.found.differs("app.add_periodic_task", place)
            if node.args:
                literals.check_interval(node.args[0], place, self.found)
        elif method == "chunks" and name == "Task.chunks":
            self.shape("chunks", node)
        elif method == "link_error" or (method == "on_error" and self.is_workflow(node.func)):
            self.found.workflows["link_error"].append(place)
            self.found.differs("link_error", place)
        elif method == "stamp" and _is_signature(node.func):
            self.found.differs("Signature.stamp", place)

    def options(self, words: dict[str, Any]) -> None:
        """Note the options of a call."""
        known = OPTIONS | _PARAMETERS
        for word, value in words.items():
            row, place = f"apply_async({word}=)", Place(self.source.shown, value.lineno)
            constant = literals.value(value)
            if (word == "serializer" and constant == "json") or (constant is None and isinstance(value, ast.Constant)):
                continue
            if row in DIFFERENCES:
                self.found.differs(row, place)
            elif word not in known and f"{word}=)" not in refused("apply_async("):
                self.found.change(place, str(unknown("an option of apply_async()", word, known)))
            if word in ("link", "link_error"):
                self.found.workflows[word].append(place)
            if word == "link_error":
                self.found.differs("link_error", place)

    def shape(self, name: str, node: ast.AST) -> None:
        """Note a workflow."""
        self.found.workflows[name].append(self.place(node))
        if name in _ROWS:
            self.found.differs(_ROWS[name], self.place(node))

    def signal(self, name: str, node: ast.expr) -> None:
        """Note a receiver of a signal."""
        known = SIGNALS.get(name)
        self.found.signals.append((name, self.place(node)))
        self.found.differs(f"signals.{name}", self.place(node))
        if known is None:
            self.found.change(self.place(node), f"There is no signal {name}.")
        elif known.reason:
            self.found.change(self.place(node), f"The signal {name} is never sent: {known.reason}. Instead: {known.cure}.")

    def is_workflow(self, method: ast.expr) -> bool:
        """True if a method's owner is a signature, or a shape that is made right here."""
        owner = method.value if isinstance(method, ast.Attribute) else method
        return _is_signature(owner) or (isinstance(owner, ast.Call) and self.of(owner.func) in _SHAPES)

    def of(self, node: ast.AST) -> str | None:
        return self.names.of(self.source, node, self.local)

    def place(self, node: ast.AST) -> Place:
        return Place(self.source.shown, getattr(node, "lineno", 0))


def _periodic(node: ast.Call, words: dict[str, Any]) -> str:
    """The entry of a call of add_periodic_task(), as those of beat_schedule are shown."""
    rule, task = (*node.args, None, None)[:2]
    name, rule, task = (literals.value(words.get("name")), rule or words.get("schedule"), task or words.get("sig"))
    return f"{name if isinstance(name, str) else '?'}: {ast.unparse(task) if task else '?'}, {ast.unparse(rule) if rule else '?'}"


def _is_signature(node: ast.AST) -> bool:
    """True for an expression that makes a signature: `task.s(…)`, also one with options set."""
    while isinstance(node, ast.Attribute) and not isinstance(node.value, ast.Name):
        node = node.value
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.BitOr) and (_is_signature(node.left) or _is_signature(node.right))
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    return node.func.attr in ("s", "si", "signature", "subtask") or (node.func.attr == "set" and _is_signature(node.func))
