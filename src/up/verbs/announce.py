"""The ready message: sign-in link, first steps, how to stop."""

from __future__ import annotations

from sqlalchemy.exc import SQLAlchemyError

from ..data.data_folder import Folder, State
from ..errors import UpError
from . import front_door

TRY_ACTOR = "create_random_user_accounts"


def ready_lines(folder: Folder, state: State, *, option: str = "", detached: bool = False) -> list[str]:
    """The ready line with a one-time sign-in link; `option`: ` --data DIR` for later commands."""
    broker = f"RabbitMQ UI {state.management_url}" if state.management_url else "external RabbitMQ"
    mail = f", mail {state.url}/mailbox" if any(part.role == "mailbox" for part in state.parts) else ""
    lines = [f"✔ ready in {state.seconds} s   {sign_in_link(state)}   ({broker}{mail})"]
    if state.first_start and folder.admin_password.exists():
        lines.append(
            f"  first start: user admin, password {folder.admin_password.read_text().strip()}   (stored in {folder.admin_password}; the link works once without it)"
        )
    if state.management_url.startswith("http://127.0.0.1") and folder.broker.exists():
        lines.append(f"  RabbitMQ UI: user admin, password in {folder.broker / 'admin_password'}")
    lines.append(f"  try: open {TRY_ACTOR} under Actors, fill in the form — or  ./run submit{option} {TRY_ACTOR} --total 100 --wait")
    lines.append(f"  stop: ./run down{option}" if detached else f"  stop: Ctrl-C, or ./run down{option} in another terminal")
    return lines


def already_lines(state: State, *, option: str = "") -> list[str]:
    """The message of a second `./run up`."""
    if state.phase == "ready":
        return [f"Callboard is already running here: {sign_in_link(state)}", f"  stop: ./run down{option}   status: ./run status{option}"]
    return [f"Callboard is {state.phase} here, started by another ./run up.", f"  status: ./run status{option}"]


def sign_in_link(state: State) -> str:
    """A one-time sign-in link for the administrator; the plain URL if the database is unreachable."""
    try:
        return front_door.one_time_link(state.url)
    except (UpError, SQLAlchemyError, OSError):
        return state.url
