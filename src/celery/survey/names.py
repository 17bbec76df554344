"""Names: resolves an expression to what it stands for in Celery, across the modules of an application.

`celery.x.y` is an object of Celery, `app` an application, `factory` a function that returns one, `Task` an instance
and `base` a class of tasks, `task` a declared one, `AsyncResult` a result, `module x.y` a module of the application.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from itertools import chain

from .sources import Source, Sources, celery_name

_APPS = frozenset({"celery.current_app", "celery.app.current_app", "celery._state.current_app", "celery.app.default_app"})
BASES = frozenset({"celery.Task", "celery.app.task.Task", "celery.task.Task", "celery.app.Task", "app.Task", "base"})
DECORATORS = frozenset({
    "app.task", "celery.shared_task", "celery.app.shared_task", "celery.task", "celery.task.task", "celery.decorators.task", "celery.task.periodic_task",
})  # fmt: skip
_CLASSES = {"celery.result.AsyncResult": "AsyncResult", "app.AsyncResult": "AsyncResult", "celery.AsyncResult": "AsyncResult"}
#: classes of applications
_APPLICATIONS = frozenset({"celery.Celery", "celery.app.Celery", "celery.app.base.Celery", "factory"})
#: passes over all modules: an application may reach a module through this many others
_PASSES = 6


class Names:
    """The names of an application."""

    def __init__(self, sources: Sources) -> None:
        self._by_module = {source.module: source for source in sources.modules}
        self._found: dict[str, Source | None] = dict(self._by_module)
        for source in sources.modules:
            self._bind_imports(source)
        bound = [(source, node) for source in sources.modules for node in ast.walk(source.tree) if isinstance(node, _BINDING)]
        for _ in range(_PASSES):
            before = sum(len(source.names) for source in sources.modules)
            for source, node in bound:
                self._bind(source, node)
            if sum(len(source.names) for source in sources.modules) == before:
                break

    def of(self, source: Source, node: ast.AST, local: Mapping[str, str] | None = None) -> str | None:
        """Meaning of an expression; None if it has nothing to do with Celery."""
        if isinstance(node, ast.Name):
            found = (local or {}).get(node.id) or source.names.get(node.id)
            return "app" if found in _APPS else found
        if isinstance(node, ast.Attribute):
            return self._attribute(self.of(source, node.value, local), node.attr)
        if isinstance(node, ast.Call):
            return self._called(self.of(source, node.func, local), node.func)
        return None

    def find(self, module: str) -> Source | None:
        """The module of this name; below a folder outside of packages, the one that ends like it."""
        if module not in self._found:
            self._found[module] = next((source for name, source in self._by_module.items() if name and module.endswith(f".{name}")), None)
        return self._found[module]

    def _attribute(self, owner: str | None, name: str) -> str | None:
        if owner is None:
            return None
        if owner.startswith("module "):
            return self._exported(owner.removeprefix("module "), name)
        if owner == "Task" and name == "app":
            return "app"
        if owner in ("app", "Task", "AsyncResult") or owner.startswith(("celery", "app.")):
            found = f"{owner}.{name}"
            return "app" if found in _APPS else found
        if owner == "task":
            return f"Task.{name}"
        return None

    def _called(self, function: str | None, node: ast.expr) -> str | None:
        if function in _APPLICATIONS:
            return "app"
        if function in _CLASSES:
            return "AsyncResult"
        if isinstance(node, ast.Attribute) and node.attr in ("delay", "apply_async", "send_task"):
            return "AsyncResult"
        return "Task" if function == "base" else None

    def _exported(self, module: str, name: str) -> str | None:
        found = self.find(module)
        inner = f"{module}.{name}" if module else name
        if found is not None and name in found.names:
            return found.names[name]
        return f"module {inner}" if self.find(inner) is not None else None

    def _bind_imports(self, source: Source) -> None:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    whole = celery_name(alias.name)
                    if whole is not None:
                        source.names[alias.asname or alias.name.partition(".")[0]] = whole if alias.asname else "celery"
                    elif alias.asname and self.find(alias.name) is not None:
                        source.names[alias.asname] = f"module {alias.name}"
            elif isinstance(node, ast.ImportFrom) and not node.level and (of := celery_name(node.module or "")) is not None:
                for alias in node.names:
                    source.names[alias.asname or alias.name] = f"{of}.{alias.name}"

    def _bind(self, source: Source, node: ast.AST) -> None:
        if isinstance(node, ast.ImportFrom):
            module = source.absolute(node.module, node.level)
            if celery_name(module) is not None and not node.level:
                return
            for alias in node.names:
                found = self._exported(module, alias.name) or _assumed(module, alias.name, self.find(module))
                if found is not None:
                    source.names.setdefault(alias.asname or alias.name, found)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            found = self.of(source, node.value)
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if found not in (None, "AsyncResult"):
                for target in targets:
                    if isinstance(target, ast.Name):
                        source.names.setdefault(target.id, str(found))
        elif isinstance(node, ast.ClassDef):
            bases = {self.of(source, base) for base in node.bases}
            if bases & BASES:
                source.names.setdefault(node.name, "base")
            elif bases & _APPLICATIONS:
                source.names.setdefault(node.name, "factory")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            self._bind_function(source, node)

    def _bind_function(self, source: Source, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        if any(self.of(source, decorator_of(each)) in DECORATORS for each in node.decorator_list):
            source.names.setdefault(node.name, "task")
        elif (node.returns is not None and self.of(source, node.returns) == "celery.Celery") or any(
            isinstance(each, ast.Return) and each.value is not None and self.of(source, each.value) == "app" for each in ast.walk(node)
        ):
            source.names.setdefault(node.name, "factory")


_BINDING = (ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def decorator_of(node: ast.expr) -> ast.expr:
    """A decorator without its call."""
    return node.func if isinstance(node, ast.Call) else node


def looks_like_a_class_of_applications(name: str) -> bool:
    """True for a name such as FlaskCelery, of a class whose module is not surveyed."""
    return name[0].isupper() and name.endswith("Celery")


def _assumed(module: str, name: str, found: Source | None) -> str | None:
    """An application, or a class of them, that a module outside of the path may export."""
    if found is not None:
        return None
    if looks_like_a_class_of_applications(name):
        return "factory"
    parts = set(chain(module.split("."), [name]))
    return "app" if name in ("app", "celery", "celery_app") and parts & {"celery", "celery_app", "celeryapp", "worker"} else None
