"""What runs in a data folder, for people and for scripts."""

from __future__ import annotations

from functools import partial
from typing import Any

from src.up import answering
from src.up.configuration import masked
from src.up.folder import Folder, PartRecord, State
from src.up.processes import is_alive


def as_json(state: State) -> dict[str, Any]:
    """The public form of `./run status --json`. It holds the broker's password: whoever may read the data folder may know it."""
    broker = next((part for part in state.parts if part.role == "broker"), None)
    return {
        "ready": is_ready(state),
        "url": state.url if state.parts else "",
        "broker": {
            "url": state.broker_url,
            "management_url": state.management_url,
            "pid": broker.pid if broker and is_alive(broker.identity) else None,
        },
        "database_url": state.database_url,
        "processes": [
            {"role": part.role, "pid": part.pid, "state": part_state(part), "restarts": part.restarts}
            for part in (*state.parts, *([state.supervisor] if state.supervisor else []))
        ],
    }


def as_text(folder: Folder, state: State) -> list[str]:
    """The same for people. The private broker's password is shown: it is what one comes for, and its file is in this folder."""
    if not state.parts:
        lines = [f"Nothing runs in {folder.path}. Start it:  ./run up"]
        return [*lines, f"The last start failed: {state.error}"] if state.error else lines
    lines = [f"{'ready' if is_ready(state) else 'not ready'}   {state.url}   data in {folder.path}"]
    if not state.supervised:
        lines.append("  ./run up itself was killed: its parts finish what they do and end. Start it again:  ./run up")
    lines.append(f"  database  {masked('database_url', state.database_url)}")
    is_private = any(part.role == "broker" for part in state.parts)
    show = str if is_private else partial(masked, "broker_url")
    lines.append(f"  broker    {show(state.broker_url)}   UI {show(state.management_url) or 'not configured'}")
    lines += [f"  {part.name:<11} {part_state(part):<11} pid {part.pid or '-':<8} restarts {part.restarts}" for part in state.parts]
    return lines


def is_ready(state: State) -> bool:
    """Whether every part lives and web says that it can serve."""
    return (
        state.phase == "ready" and bool(state.parts) and len(state.alive) == len(state.parts) and answering.web_missing(state.url) is None
    )


def part_state(part: PartRecord) -> str:
    """`running`, or `restarting` until the supervisor has started it again."""
    return "running" if is_alive(part.identity) else "restarting"
