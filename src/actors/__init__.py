"""WHAT work is done? One module per subject; this is what `dramatiq src.actors` loads.

The law of this room: actors are thin and safe to repeat; ids in, small JSON out. Every module of this folder, and
every one that CALLBOARD_ACTORS names or that lies in a folder it names, is found by itself.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path

from src.importing import uncollected

with uncollected():
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
            if "/" in name:
                _import_folder(Path(name).resolve())
            else:
                importlib.import_module(name)


def _import_folder(folder: Path) -> None:
    """Import every module of a folder, as modules of a package of the folder's name."""
    if not folder.is_dir():
        raise ImportError(f"CALLBOARD_ACTORS names the folder {folder}, and there is none. Make it, or correct the name.")
    if str(folder.parent) not in sys.path:
        sys.path.append(str(folder.parent))  # at the end: what lies beside the folder hides nothing
    package = importlib.import_module(folder.name) if folder.name.isidentifier() else None
    if package is None or str(folder) not in getattr(package, "__path__", ()):
        raise ImportError(
            f"The folder {folder} of CALLBOARD_ACTORS cannot be a package of its name: it is no Python name, or another module has it. Rename it."
        )
    for module in pkgutil.iter_modules([str(folder)]):
        if not module.name.startswith("_"):
            importlib.import_module(f"{folder.name}.{module.name}")


with uncollected():
    _discover()
