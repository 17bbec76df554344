"""The ready message: passwords, first steps, how to stop, and last the sign-in link."""

from __future__ import annotations

from collections.abc import Sequence

from ... import COMMAND
from ..data.data_folder import Folder, State
from ..errors import UpError
from ..parts.apart import Apart
from . import front_door

TRY_ACTOR = "create_random_user_accounts"


def ready_lines(folder: Folder, state: State, *, option: str = "", detached: bool = False, hints: Sequence[str] = ()) -> list[str]:
    """The ready message, which ends with a one-time sign-in link; `option`: ` --data DIR` for later commands; `hints`: first steps."""
    lines = []
    if state.first_start and folder.admin_password.exists():
        lines.append(
            f"  first start: user admin, password {folder.admin_password.read_text().strip()}   (stored in {folder.admin_password}; the link works once without it)"
        )
    if state.management_url:
        is_own = state.management_url.startswith("http://127.0.0.1") and folder.broker.exists()
        password = f"   user admin, password in {folder.broker / 'admin_password'}" if is_own else ""
        lines.append(f"  RabbitMQ UI: {state.management_url}{password}")
    if any(part.role == "mailbox" for part in state.parts):
        lines.append(f"  mail: {state.url}/mailbox")
    lines.append(f"  logs: {folder.logs}   {COMMAND} logs{option} -f")
    usual = f"try: open {TRY_ACTOR} under Actors, fill in the form — or  {COMMAND} submit{option} {TRY_ACTOR} --total 100 --wait"
    lines += [f"  {hint}" for hint in hints or (usual,)]
    lines.append(f"  stop: {COMMAND} down{option}" if detached else f"  stop: Ctrl-C, or {COMMAND} down{option} in another terminal")
    # Last: the link is what the reader came for, and must not scroll away.
    lines.append(f"✔ ready in {state.seconds} s   {sign_in_link(state)}")
    return lines


def already_lines(state: State, *, option: str = "") -> list[str]:
    """The message of a second `./run up`."""
    if state.phase == "ready":
        return [
            f"  stop: {COMMAND} down{option}   status: {COMMAND} status{option}",
            f"Callboard is already running here: {sign_in_link(state)}",
        ]
    return [f"Callboard is {state.phase} here, started by another {COMMAND} up.", f"  status: {COMMAND} status{option}"]


def sign_in_link(state: State) -> str:
    """A one-time sign-in link for the administrator, made apart; the plain URL if the database is unreachable."""
    try:
        return str(Apart(lambda: front_door.link_or(state.url)).result())
    except (UpError, OSError):
        return state.url
