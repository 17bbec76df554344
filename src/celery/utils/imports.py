"""Names of objects, and objects by name."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ..base.modules import absent


def qualname(obj: Any) -> str:
    """Return the name of a class or function, or of an object's class, with its module."""
    named = obj if hasattr(obj, "__qualname__") else type(obj)
    return f"{named.__module__}.{named.__qualname__}"


def symbol_by_name(name: Any, *others: Any, **named: Any) -> Any:
    """Return the object of a name such as `module.name` or `module:name`; another object stays."""
    if not isinstance(name, str):
        return name
    module, _, attribute = str(name).replace(":", ".").rpartition(".")
    return getattr(import_module(module), attribute) if module else import_module(attribute)


def instantiate(name: Any, *args: Any, **kwargs: Any) -> Any:
    """Return an instance of the class of a name."""
    return symbol_by_name(name)(*args, **kwargs)


def gen_task_name(app: Any, name: str, module_name: str) -> str:
    """Return the name that the application gives to a task of this function and module."""
    return str(app.gen_task_name(name, module_name))


__getattr__ = absent(__name__)
