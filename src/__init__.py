"""Callboard: background jobs for Python teams on RabbitMQ."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

#: False if the package is installed under its second name (docs/decisions/0001-second-name.md)
IS_CHECKOUT = __name__ == "src"
#: the command line
COMMAND = "./run" if IS_CHECKOUT else __name__
#: where a team's modules of actors are
ACTOR_MODULES = "src/actors or CALLBOARD_ACTORS" if IS_CHECKOUT else "CALLBOARD_ACTORS"

#: `callboard.job(id)`: src/broker/compat/handle.py
job: Any

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Import `job` at its first use: commands that need only the version must start fast."""
        if name == "job":
            return import_module(f"{__name__}.broker").job
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
