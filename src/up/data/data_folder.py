"""Data folder of one Callboard: paths, lock, preferred ports and process state."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import shlex
import shutil
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Literal

from ... import COMMAND
from ..errors import UpError
from . import ports
from .process_identity import Identity, is_alive

#: bytes; below 500 MB RabbitMQ blocks publishing, so starting is useless
LEAST_DISK = 600_000_000
#: base ports of the private node; an offset is derived from the folder's path
NODE_PORTS = {"amqp": 5680, "management": 15680, "prometheus": 15880, "distribution": 25680, "epmd": 4380}
PORT_SPREAD = 200

Phase = Literal["starting", "ready", "stopping", "stopped", "failed"]


@dataclass(frozen=True)
class PartRecord:
    """A process in the state file."""

    role: str
    name: str
    pid: int
    started: str
    state: str
    restarts: int

    @property
    def identity(self) -> Identity:
        return Identity(self.pid, self.started)


@dataclass(frozen=True)
class State:
    """The last state written by `./run up`; process ids are verified with the kernel before use."""

    phase: Phase = "stopped"
    error: str = ""
    url: str = ""
    broker_url: str = ""
    management_url: str = ""
    database_url: str = ""
    smtp_url: str = ""
    mail_admins: str = ""
    actors: str = ""
    seconds: float = 0.0
    first_start: bool = False
    supervisor: PartRecord | None = None
    parts: tuple[PartRecord, ...] = field(default=())

    @property
    def alive(self) -> list[PartRecord]:
        """The parts with a live process."""
        return [part for part in self.parts if is_alive(part.identity)]

    @property
    def supervised(self) -> bool:
        """True if the `./run up` that wrote this is still running."""
        return self.supervisor is not None and is_alive(self.supervisor.identity)


class Folder:
    """One data folder."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.logs = self.path / "logs"
        self.broker = _broker_folder(self.path)
        self.state_file = self.path / "state.json"
        self.admin_password = self.path / "admin_password"
        self._held: IO[str] | None = None

    def prepare(self) -> None:
        """Create the folder and its subfolders, private to this user; raise UpError on failure."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if (self.path / "secret_key").exists() or not any(self.path.iterdir()):  # ours, but created with another umask
                self.path.chmod(0o700)
            self.logs.mkdir(mode=0o700, exist_ok=True)
            if not self.broker.is_relative_to(self.path):
                self._prepare_elsewhere()
            probe = self.path / f".writable.{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise UpError(self._not_ours(error)) from None
        free = shutil.disk_usage(self.path).free
        if free < LEAST_DISK:
            raise UpError(
                f"The disk of {self.path} is full: {free // 1_000_000} MB are free, Callboard needs {LEAST_DISK // 1_000_000} MB.\n"
                f"Free space (df -h {shlex.quote(str(self.path))}), or use another disk:  {COMMAND} up --data SOME/FOLDER"
            )

    def hold(self) -> bool:
        """Lock the folder for the lifetime of this process; False: another `./run up` holds it."""
        # Children do not inherit the lock (Python opens files close-on-exec), so the kernel frees it whenever the supervisor dies.
        try:
            held = open(self.path / "up.lock", "w")  # noqa: SIM115  (held open on purpose)
        except OSError as error:
            raise UpError(self._not_ours(error)) from None
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held.close()
            return False
        self._held = held
        return True

    def release(self) -> None:
        """Release the lock."""
        if self._held is not None:
            self._held.close()
            self._held = None

    def use(self) -> None:
        """Hold the folder together with others, as long as this process or the program that replaces it lives: a reset is refused."""
        with contextlib.suppress(OSError):  # a read-only container works without
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            held = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
            os.set_inheritable(held, True)

    def is_used(self) -> bool:
        """True while a process uses the folder."""
        try:
            held = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            return False
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return isinstance(error, BlockingIOError)  # else the file system knows no locks of folders
        finally:
            os.close(held)
        return False

    def read_state(self) -> State:
        """The last state; an unreadable file counts as no state."""
        try:
            raw = json.loads(self.state_file.read_text())
            supervisor = PartRecord(**raw.pop("supervisor")) if raw.get("supervisor") else None
            parts = tuple(PartRecord(**part) for part in raw.pop("parts", ()))
            raw.pop("supervisor", None)
            return State(**raw, supervisor=supervisor, parts=parts)
        except FileNotFoundError:
            return State()
        except PermissionError as error:
            raise UpError(self._not_ours(error)) from None
        except (ValueError, TypeError, OSError):
            return State()

    def write_state(self, state: State) -> None:
        """Replace the state atomically. It contains passwords: private to this user."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self.state_file.with_suffix(f".{os.getpid()}")
        with open(draft, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            json.dump(asdict(state), file, indent=1)
        draft.replace(self.state_file)

    def keep_admin_password(self, password: str) -> None:
        """Store the first administrator's password, private to this user."""
        draft = self.path / f"admin_password.{secrets.token_hex(4)}"
        with open(draft, "x", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(password + "\n")
        draft.replace(self.admin_password)

    def keep_variables(self, variables: Mapping[str, str]) -> None:
        """Keep environment variables that every command on this folder uses, whatever is set elsewhere."""
        draft = self.path / f"variables.{secrets.token_hex(4)}"
        with open(draft, "x", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            json.dump(dict(variables), file, indent=1)
        draft.replace(self.path / "variables.json")

    def variables(self) -> dict[str, str]:
        """The variables that are kept; {}: none. Raises UpError for a damaged file."""
        path = self.path / "variables.json"
        try:
            return {str(name): str(value) for name, value in json.loads(path.read_text()).items()}
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except PermissionError as error:
            raise UpError(self._not_ours(error)) from None
        except (OSError, ValueError, AttributeError) as error:  # not {}: the demo would work on another installation
            kept, folder = shlex.quote(str(path)), shlex.quote(str(self.path))
            raise UpError(f"{path} is damaged: {error}.\nLet the demo write it again:  rm {kept}; {COMMAND} demo --data {folder}") from None

    def node_ports(self) -> dict[str, int]:
        """Free ports for the private node: those of last time, else ports that other folders rarely choose."""
        shift = int.from_bytes(hashlib.sha256(str(self.path).encode()).digest()[:2]) % PORT_SPREAD
        preferred = {name: base + shift for name, base in NODE_PORTS.items()}
        preferred.update({name: port for name, port in self.remembered_ports().items() if name in preferred})
        return ports.pick(preferred)

    def remembered_ports(self) -> dict[str, int]:
        """The ports of last time."""
        try:
            return {str(name): int(port) for name, port in json.loads((self.path / "ports.json").read_text()).items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}

    def remember_ports(self, used: dict[str, int]) -> None:
        """Prefer these ports next time."""
        (self.path / "ports.json").write_text(json.dumps({**self.remembered_ports(), **used}))

    def _prepare_elsewhere(self) -> None:
        """Create the broker's folder in a shared place: it must be private, else other users could read its passwords."""
        self.broker.mkdir(mode=0o700, exist_ok=True)
        found = self.broker.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise UpError(f"{self.broker} must be a folder that only you own.\nRemove it:  rm -rf {self.broker}")

    def _not_ours(self, error: OSError) -> str:
        return (
            f"The data folder {self.path} cannot be used: {error.strerror} ({error.filename}).\n"
            f"Take ownership:  sudo chown -R $(id -un) {shlex.quote(str(self.path))}\nor use another one:  {COMMAND} up --data SOME/FOLDER"
        )


def _broker_folder(path: Path) -> Path:
    """Folder of the private node: in the data folder, or a temporary one if the path has a quote, which RabbitMQ rejects.

    A temporary folder is safe: all data of the node is disposable.
    """
    if not {"'", '"'} & set(str(path)):
        return path / "broker"
    digest = hashlib.sha256(str(path).encode(errors="surrogateescape")).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"callboard-{os.getuid()}-{digest}"


def without_processes(state: State, phase: Phase, error: str = "") -> State:
    """Write the state after everything has stopped."""
    return replace(state, phase=phase, error=error, supervisor=None, parts=())
