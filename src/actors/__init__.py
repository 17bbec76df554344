"""Actors: one module per subject; `dramatiq src.actors` loads this package.

The law of this room: actors are thin and safe to repeat; ids in, small JSON out. It imports every module below this
folder, and every module or folder that CALLBOARD_ACTORS names. Actors declared earlier, on Dramatiq's default broker or
after an import of `src.jobs`, are adopted; a module that declares its actors on a broker of its own is refused.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path
from types import ModuleType

from ..importing import complete_imports, goes_on_without, printing_aside, uncollected

with uncollected():
    import dramatiq
    from dramatiq.broker import Broker

    from .. import wiring
    from ..broker import build_broker
    from ..configuration.setting_checks import at_home
    from ..early_actors import EarlyActors
    from ..logs import get_logger
    from ..settings import WrongSettings, get_settings

log = get_logger(__name__)

_earlier = dramatiq.broker.global_broker  # that of actors which are declared before this import: Dramatiq's default, or EarlyActors
broker = build_broker()


def _discover() -> None:
    for module in pkgutil.walk_packages(__path__, f"{__name__}.", onerror=lambda _: None):  # _import_or_report() has met the error
        _import_or_report(module.name)
    if get_settings().actor_modules:
        # As `python -m` and `dramatiq` do, so that modules in the working directory can be named.
        if "" not in sys.path and "." not in sys.path:
            sys.path.insert(0, "")
        for name in get_settings().actor_modules:
            _import_or_report(name)


def _import_folder(folder: Path) -> None:
    """Import every module of a folder, as modules of a package with the folder's name."""
    if not folder.is_dir():
        raise ImportError(f"CALLBOARD_ACTORS names the folder {folder}, and there is none. Make it, or correct the name.")
    if str(folder.parent) not in sys.path:
        sys.path.append(str(folder.parent))  # at the end: files beside the folder must not shadow other modules
    package = _import(folder.name) if folder.name.isidentifier() else None
    if package is None or str(folder) not in getattr(package, "__path__", ()):
        raise ImportError(
            f"The folder {folder} of CALLBOARD_ACTORS cannot be a package of its name: it is not a valid Python name, or another module has it. Rename it."
        )
    for module in pkgutil.iter_modules([str(folder)]):
        if not module.name.startswith("_"):
            _import_or_report(f"{folder.name}.{module.name}")


def _import_or_report(name: str) -> None:
    """Import a module or folder of actors; one that fails ends the program only if it needs all actors."""
    try:
        if "/" in name:
            _import_folder(at_home(Path(name)).resolve())
        else:
            _import(name)
    except WrongSettings:
        raise
    except Exception as error:
        if not goes_on_without(name, error):
            raise


def _import(name: str) -> ModuleType:
    """Import a module of actors.

    Raises ImportError if it, or a module of its package, uses another broker: its actors would never run here.
    """
    try:
        with printing_aside():
            module = importlib.import_module(name)
    except WrongSettings:
        raise
    except SystemExit as error:  # which would end a command as if it had succeeded
        raise ImportError(
            f'{name} ends the program when it is imported: sys.exit({error.code!r}). Put that under `if __name__ == "__main__":`.'
        ) from error
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise ImportError(
            f"CALLBOARD_ACTORS names {name}, and there is no module {error.name} here. Correct the name, or start in the folder that holds it."
        ) from None
    except Exception as error:
        error.add_note(f"while importing {name}")
        raise
    if dramatiq.get_broker() is not broker:
        other = type(dramatiq.get_broker()).__name__
        dramatiq.set_broker(broker)
        raise ImportError(
            f"{name} sets a broker of its own ({other}) with dramatiq.set_broker(). Remove that line: Callboard's broker is set already."
        )
    inner = f"{name}."
    for place in [name, *(each for each in list(sys.modules) if each.startswith(inner))]:
        for actor in list(vars(sys.modules[place]).values()):
            if isinstance(actor, dramatiq.Actor) and actor.broker is not broker:
                raise ImportError(
                    f"{place}.{actor.fn.__name__} is declared on another broker ({type(actor.broker).__name__}), so no worker of Callboard would run it. "
                    "Take broker=… out of its @dramatiq.actor(…)."
                )
    return module


def _adopt(other: Broker) -> None:
    """Adopt the actors declared earlier on Dramatiq's default broker, and log it. Raises ImportError for those that cannot be adopted."""
    for name, actor in list(other.actors.items()):
        unknown = sorted(actor.options.keys() - broker.actor_options)
        if name in broker.actors or unknown:
            why = f"has options that Callboard does not know ({', '.join(unknown)})" if unknown else "has the name of another actor"
            cure = "Remove them" if unknown else "Rename one of them"
            raise ImportError(f"The actor {name}, declared before {__name__} was imported, {why}. {cure}.")
        actor.broker = broker
        broker.declare_actor(actor)
    if isinstance(other, EarlyActors):
        for queue in other.queues:
            broker.declare_queue(queue)
    elif other.actors:
        cure = f"import {__name__} before modules of actors, or name these in CALLBOARD_ACTORS"
        log.warning("actors_adopted", actors=sorted(other.actors), declared_on=type(other).__name__, cure=cure)


with uncollected():
    if _earlier is not None:
        _adopt(_earlier)

    from .notifications import fleet_watch  # here: it imports actors, which are declared on the broker that is made above

    wiring.connect(fleet_watch=fleet_watch.stand_in)
    _discover()  # last: a team's module may submit jobs when it is imported
    complete_imports()
