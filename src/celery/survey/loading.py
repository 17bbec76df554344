"""Loading an application by its module's name, with this interface in the place of Celery."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import spec_from_loader
from pathlib import Path
from types import ModuleType

from ..core import registry
from ..exceptions import ImproperlyConfigured
from .inventory import Inventory, Place

_PACKAGE = __name__.partition(".survey.")[0]
_OWN = Path(__file__).resolve().parents[2]


class _Swap(MetaPathFinder, Loader):
    """Finder that gives `celery` and its modules their namesakes here, as the changed import lines will."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname != "celery" and not fullname.startswith("celery."):
            return None
        return spec_from_loader(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        # The import system returns the module that stands in sys.modules when this returns.
        sys.modules[module.__name__] = importlib.import_module(f"{_PACKAGE}{module.__name__.removeprefix('celery')}")


def load(name: str, found: Inventory) -> Path:
    """Import the module and all that its applications include; note the error that stops it. Returns the folder or file of its code.

    Raises ImproperlyConfigured if there is no such module.
    """
    with _swapped():
        try:
            importlib.import_module(name)
            for app in registry.apps():
                app.load()
        except Exception as error:  # noqa: BLE001 - the application may raise anything when it is imported
            if isinstance(error, ModuleNotFoundError) and error.name is not None and f"{name}.".startswith(f"{error.name}."):
                raise ImproperlyConfigured(
                    f"There is no module {name}: name one that can be imported here, or the path of its folder."
                ) from None
            found.change(_place(error, _root(name)), f"Loading stops here: {type(error).__name__}: {error}")
    return _root(name)


@contextmanager
def _swapped() -> Iterator[None]:
    swap = _Swap()
    sys.meta_path.insert(0, swap)
    try:
        yield
    finally:
        sys.meta_path.remove(swap)


def _root(name: str) -> Path:
    """The folder of the outermost package, or the file of a module without one."""
    spec = PathFinder.find_spec(name.partition(".")[0])
    if spec is None or not (spec.submodule_search_locations or spec.has_location):
        raise ImproperlyConfigured(f"The module {name} has no file: give the path of its folder.")
    return Path(next(iter(spec.submodule_search_locations or ()), str(spec.origin)))


def _place(error: BaseException, root: Path) -> Place:
    """The last line of the application's own code that an error went through."""
    if isinstance(error, SyntaxError):
        return Place(_shown(str(error.filename), root), error.lineno or 1)
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not Path(frame.filename).is_relative_to(_OWN) and frame.filename[0] != "<"
    ]
    own = [frame for frame in frames if "importlib" not in frame.filename]
    return Place(_shown(own[-1].filename, root), own[-1].lineno or 1) if own else Place("?", 0)


def _shown(file: str, root: Path) -> str:
    """The name of a file as the report shows others: from the folder that is surveyed."""
    path = Path(file)
    if root.is_file():
        return path.name if path == root else file
    return str(path.relative_to(root)) if path.is_relative_to(root) else file
