"""WHAT work is done? One module per subject; this is what `dramatiq src.actors` loads.

The law of this room: actors are thin and safe to repeat; ids in, small JSON out. Every module of this folder, and
every one named in CALLBOARD_ACTORS, is found by itself.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys

from src.broker import build_broker
from src.settings import get_settings

broker = build_broker()


def _discover() -> None:
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    if get_settings().actor_modules:
        # As `python -m` and `dramatiq` do: modules beside the place a command is started from can be named.
        if "" not in sys.path and "." not in sys.path:
            sys.path.insert(0, "")
        for name in get_settings().actor_modules:
            importlib.import_module(name)


_discover()
