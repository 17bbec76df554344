"""Status of a data folder's processes, as text and JSON."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any

from ... import COMMAND
from ..data.configuration import masked
from ..data.data_folder import Folder, PartRecord, State
from ..data.process_identity import is_alive
from . import web_answers


def as_json(state: State) -> dict[str, Any]:
    """The document of `./run status --json`. It contains the broker's password, which readers of the data folder know anyway."""
    broker = next((part for part in state.parts if part.role == "broker"), None)
    silent = silent_of(state)
    return {
        "ready": is_ready(state, silent),
        "url": state.url if state.parts else "",
        "broker": {
            "url": state.broker_url,
            "management_url": state.management_url,
            "pid": broker.pid if broker and is_alive(broker.identity) else None,
        },
        "database_url": state.database_url,
        "processes": [
            # No number for a process that is gone: `kill 0` would end the caller's own group, and any other may be another process's by now.
            {"role": part.role, "pid": part.pid if alive else None, "state": part_state(part, silent), "restarts": part.restarts}
            for part in (*state.parts, *([state.supervisor] if state.supervisor else []))
            for alive in [is_alive(part.identity)]
        ],
    }


def as_text(folder: Folder, state: State) -> list[str]:
    """The status as text. It shows the private broker's password, which is also stored in this folder."""
    if not state.parts:
        lines = [f"Not running in {folder.path}. Start it:  {COMMAND} up"]
        return [*lines, f"The last start failed: {state.error}"] if state.error else lines
    silent = silent_of(state)
    lines = [f"{'ready' if is_ready(state, silent) else 'not ready'}   {state.url}   data in {folder.path}"]
    if not state.supervised:
        lines.append(f"  The supervisor ({COMMAND} up) was killed: its processes finish their jobs and stop. Start again:  {COMMAND} up")
    lines.append(f"  database  {masked('database_url', state.database_url)}")
    is_private = any(part.role == "broker" for part in state.parts)
    show = str if is_private else partial(masked, "broker_url")
    lines.append(f"  broker    {show(state.broker_url)}   UI {show(state.management_url) or 'not configured'}")
    lines += [f"  {part.name:<11} {part_state(part, silent):<11} pid {part.pid or '-':<8} restarts {part.restarts}" for part in state.parts]
    lines += [f"  ✘ {problem}" for problem in web_answers.readiness(state.url).get("problems", ())]
    return lines


def is_ready(state: State, silent: Collection[int] | None = None) -> bool:
    """True if every process lives, none is silent, and web reports ready."""
    if state.phase != "ready" or not state.parts or len(state.alive) != len(state.parts) or web_answers.web_missing(state.url) is not None:
        return False
    silent = silent_of(state) if silent is None else silent
    return not any(part.pid in silent for part in state.parts)


def silent_of(state: State) -> set[int]:
    """Process ids of live processes without a heartbeat in SQL."""
    schedulers = {part.pid for part in state.parts if part.role == "scheduler" and is_alive(part.identity)}
    seen = web_answers.readiness(state.url).get("schedulers")
    if not schedulers or not state.database_url or (seen and seen["alive"] and not seen["silent"]):
        return set()
    from .silent_schedulers import silent_pids  # imported late: SQLAlchemy takes a third of a second

    return schedulers & silent_pids(state.database_url)


def part_state(part: PartRecord, silent: Collection[int] = ()) -> str:
    """`running`, `silent` (lives without a heartbeat), or `restarting` until the supervisor has restarted it."""
    return "restarting" if not is_alive(part.identity) else "silent" if part.pid in silent else "running"
