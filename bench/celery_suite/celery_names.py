"""The name `celery` for the modules of `src.celery`, in processes of the suite only, and stand-ins for what its files import beside them."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

from bench.celery_suite import redis_stand_in

#: modules that the suite's files import, with the names in them; a test that uses one of these counts as one of internals
_STAND_INS: dict[str, dict[str, Any]] = {
    "celery.backends": {},
    "celery.backends.base": {"BaseKeyValueStoreBackend": type("BaseKeyValueStoreBackend", (), {})},
    "celery.contrib": {},
    "celery.contrib.testing": {},
    "celery.utils.serialization": {"UnpickleableExceptionWrapper": type("UnpickleableExceptionWrapper", (Exception,), {})},
    "celery.worker": {"state": SimpleNamespace()},
    "celery.worker.control": dict.fromkeys(("add_consumer", "cancel_consumer"))
    | dict.fromkeys(("control_command", "inspect_command"), lambda **_: lambda function: function),
    "billiard": {},
    "redis": {"StrictRedis": redis_stand_in.StrictRedis},
}


def install() -> None:
    """Give the modules their second name, once."""
    if "celery" in sys.modules:
        return
    ours = importlib.import_module("src.celery")
    sys.modules["celery"] = ours
    for found in pkgutil.walk_packages(ours.__path__, f"{ours.__name__}."):
        sys.modules[found.name.removeprefix("src.")] = importlib.import_module(found.name)
    sys.modules["celery.canvas"]._chain = ours.chain  # type: ignore[attr-defined]
    for name, attributes in _STAND_INS.items():
        provide(name, attributes)


def provide(name: str, attributes: dict[str, Any]) -> None:
    """Provide a module."""
    module = sys.modules[name] = ModuleType(name)
    module.__dict__.update(attributes)
