"""System packages: find the missing ones of a verb and install them. Standard library only."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

RABBITMQ_LAUNCHERS = (
    "usr/lib/rabbitmq/bin/rabbitmq-server",
    "usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server",
    "opt/rabbitmq/sbin/rabbitmq-server",
    "opt/homebrew/opt/rabbitmq/sbin/rabbitmq-server",
    "usr/local/opt/rabbitmq/sbin/rabbitmq-server",
)
#: without the windows of a desktop browser, the first one needs a quarter less CPU
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


class Missing(Exception):
    """A system package is missing and cannot be installed automatically; the text names the command."""


@dataclass(frozen=True)
class Package:
    """A system package: its Debian name and a check whether it is installed."""

    name: str
    present: Callable[[], bool]
    brew: str = ""


def rabbitmq_launcher() -> Path | None:
    """The package's own `rabbitmq-server`, not the wrapper in PATH, which changes user and folder."""
    home = os.environ.get("RABBITMQ_HOME")
    own = [Path(home, "sbin", "rabbitmq-server")] if home else []
    found = [path for pattern in RABBITMQ_LAUNCHERS for path in sorted(Path("/").glob(pattern))]
    return next((path for path in own + found if os.access(path, os.X_OK)), None)


def postgresql_folder() -> Path | None:
    """Folder of initdb and postgres, newest version first."""
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    on_path = shutil.which("initdb")
    if on_path:
        candidates.append(Path(on_path).resolve().parent)
    return next((path for path in candidates if os.access(path / "initdb", os.X_OK)), None)


def browser() -> str | None:
    """Chromium for the browser tests."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


VENV = Package("python3-venv", lambda: importlib.util.find_spec("ensurepip") is not None, brew="python")
RABBITMQ = Package("rabbitmq-server", lambda: rabbitmq_launcher() is not None, brew="rabbitmq")
POSTGRESQL = Package("postgresql", lambda: postgresql_folder() is not None, brew="postgresql")
CHROMIUM = Package("chromium", lambda: browser() is not None, brew="--cask chromium")
#: needed by the Chromium driver, not by Debian 12's Chromium itself
ATOMIC = Package("libatomic1", lambda: sys.platform == "darwin" or _has_library("libatomic.so.1*"))
#: without fonts a browser draws no text, and layout tests measure empty boxes
FONTS = Package("fonts-dejavu-core", lambda: any(Path("/usr/share/fonts").glob("*/*")) or sys.platform == "darwin")
PANGO = Package("libpangoft2-1.0-0", lambda: _has_library("libpangoft2-1.0.so*"), brew="pango")
HARFBUZZ = Package("libharfbuzz-subset0", lambda: _has_library("libharfbuzz-subset.so*"))
#: optional, for reports: text in charts, and PDFs
REPORTS = (FONTS, PANGO, HARFBUZZ)


def needed_for(verb: str, *, own_broker: bool) -> list[Package]:
    """The packages of a verb; `own_broker`: a RabbitMQ is configured, so no private node is needed."""
    if verb == "test":
        return [RABBITMQ, POSTGRESQL, CHROMIUM, ATOMIC, *REPORTS]
    if verb in {"up", "demo"} and not own_broker:
        return [RABBITMQ]
    return []


def provide(packages: Iterable[Package], report: Callable[[str], None], *, better_with: Iterable[Package] = ()) -> None:
    """Install the missing packages as root or with passwordless sudo; else raise Missing with the command.

    `better_with`: optional packages, installed along with the others; never a reason to fail.
    """
    missing = [package for package in packages if not package.present()]
    if not missing:
        return
    names = [package.name for package in missing]
    prefix = _become_root()
    if not shutil.which("apt-get") or prefix is None:
        raise Missing(f"System packages are missing: {', '.join(names)}.\nInstall them with:  {install_line(missing)}")
    extra = [package.name for package in better_with if package not in missing and not package.present()]
    report(f"Installing system packages: {' '.join([*names, *extra])}")
    _apt(prefix, ["update"])
    try:
        _apt(prefix, ["install", "--yes", "--no-install-recommends", *names, *extra])
    except Missing:
        if not extra:
            raise
        _apt(prefix, ["install", "--yes", "--no-install-recommends", *names])  # optional packages may have other names on other systems
    if RABBITMQ in missing and Path("/run/systemd/system").exists():
        report("Debian also started its own RabbitMQ service, which Callboard does not use: sudo systemctl disable --now rabbitmq-server")


def install_line(packages: Iterable[Package]) -> str:
    """The install command of this system."""
    packages = list(packages)
    names = " ".join(package.name for package in packages)
    if shutil.which("apt-get"):
        return f"sudo apt-get install --no-install-recommends {names}"
    if shutil.which("brew"):
        return f"brew install {' '.join(package.brew for package in packages if package.brew)}"
    return f"(your system's package manager) install {names}"


def _has_library(pattern: str) -> bool:
    places = ("/usr/lib", "/usr/lib/*", "/lib/*", "/usr/local/lib", "/opt/homebrew/lib")
    return any(found for place in places for found in Path("/").glob(f"{place.lstrip('/')}/{pattern}"))


def _become_root() -> list[str] | None:
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], stdin=subprocess.DEVNULL, capture_output=True).returncode == 0:
        return [sudo, "-n"]
    return None


def _apt(prefix: list[str], arguments: list[str]) -> None:
    # RUNLEVEL=1 keeps Debian's invoke-rc.d (without systemd) from starting a RabbitMQ service beside the private node.
    settings: Mapping[str, str] = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1", "LC_ALL": "C.UTF-8"}
    command = [*prefix, "env", *(f"{name}={value}" for name, value in settings.items()), "apt-get", "-qq", *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-15:])
        raise Missing(f"apt-get {' '.join(arguments)} failed:\n{tail}\nTry it manually:  sudo apt-get {' '.join(arguments)}")
