"""The schedulers' part in the watch over the fleet (src/actors/fleet_watch.py): each takes its turn at this interval."""

from __future__ import annotations

from src.actors.fleet_watch import LOOK_S, look

__all__ = ["LOOK_S", "look"]
