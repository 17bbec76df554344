"""A minimal root file system of Debian for tests: created by debootstrap, entered by chroot, removed without a trace. Needs root."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

#: where base systems are kept between runs; a fresh copy is used each time
STORE = Path(os.environ.get("CALLBOARD_FRESH_STORE", "/var/tmp/callboard-fresh"))
MIRROR = "http://deb.debian.org/debian"
#: installed before the first command; certificates come with `git` if recommended packages are installed
GIVEN = "git,python3,ca-certificates"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


class RootFs:
    """One root file system in a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(
        self, command: str, *, cwd: str = "/", user: str = "0:0", environment: Mapping[str, str] | None = None, timeout: float = 1800
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command inside; its output goes to the terminal and is returned."""
        script = f"cd {cwd} && {command}"
        arguments = ["/usr/sbin/chroot", f"--userspec={user}", str(self.path), "/bin/sh", "-c", script]
        base = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root" if user == "0:0" else "/tmp"}
        child = subprocess.Popen(
            arguments, env={**base, **_of_this_machine(), **(environment or {})}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )  # fmt: skip
        assert child.stdout is not None
        lines = []
        for line in child.stdout:
            sys.stdout.write(f"    {line}")
            lines.append(line)
        return subprocess.CompletedProcess(arguments, child.wait(timeout), "".join(lines))

    def check(self, command: str, **how: object) -> str:
        """Run and insist on exit code 0; returns the output."""
        done = self.run(command, **how)  # type: ignore[arg-type]
        if done.returncode != 0:
            raise SystemExit(f"✘ {command}: exit code {done.returncode}")
        return done.stdout

    def processes(self) -> list[int]:
        """Return the processes whose root is here."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (entry / "root").readlink() == self.path:
                    found.append(int(entry.name))
        return found


def bare(suite: str) -> Path:
    """The base system of a suite, made once."""
    base = STORE / suite
    if not base.exists():
        print(f"· debootstrap {suite}", flush=True)
        draft = STORE / f"{suite}.part"
        shutil.rmtree(draft, ignore_errors=True)
        subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={GIVEN}", suite, str(draft), MIRROR], check=True, stdout=subprocess.DEVNULL
        )
        draft.rename(base)
    return base


@contextlib.contextmanager
def fresh(suite: str, name: str) -> Iterator[RootFs]:
    """A copy of the base system with /proc and terminals; unmounted, its processes ended and the copy deleted afterwards."""
    base = bare(suite)
    path = STORE / f"{suite}.{name}.{os.getpid()}"
    subprocess.run(["cp", "-a", str(base), str(path)], check=True)
    root = RootFs(path)
    _adopt_network_of_this_machine(path)
    mounts = {"proc": path / "proc", "devpts": path / "dev/pts"}
    for kind, place in mounts.items():
        place.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", kind, kind, str(place)], check=True)
    try:
        yield root
    finally:
        for pid in root.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        for place in mounts.values():
            subprocess.run(["umount", "--lazy", str(place)], check=True)
        subprocess.run(["rm", "-rf", "--one-file-system", str(path)], check=True)


def _adopt_network_of_this_machine(path: Path) -> None:
    """How packages are fetched is a matter of the machine, not of Callboard: names, proxies, certificates, pip's and apt's settings."""
    shutil.copyfile("/etc/resolv.conf", path / "etc/resolv.conf")
    shutil.copyfile(CERTIFICATES, path / CERTIFICATES.lstrip("/"))
    for own in Path("/usr/local/share/ca-certificates").glob("*.crt"):
        shutil.copyfile(own, path / "usr/local/share/ca-certificates" / own.name)
    for part in Path("/etc/apt/apt.conf.d").glob("99*"):
        shutil.copyfile(part, path / "etc/apt/apt.conf.d" / part.name)
    configurations = [Path("/etc/pip.conf"), Path.home() / ".config/pip/pip.conf", Path.home() / ".pip/pip.conf"]
    text = "".join(source.read_text() for source in configurations if source.exists())
    if text:
        (path / "etc/pip.conf").write_text(_merged(text))


def _merged(text: str) -> str:
    """Several pip.conf in one: each section once; folders of this machine do not exist inside."""
    seen: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and "/" in value and "://" not in value and value.strip() != CERTIFICATES:
            continue
        if equals and "file://" not in value:
            seen[name.strip()] = value.strip()
    return "[global]\n" + "".join(f"{name} = {value}\n" for name, value in seen.items())


def _of_this_machine() -> dict[str, str]:
    names = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "PIP_INDEX_URL", "PIP_DEFAULT_TIMEOUT")
    return {name: os.environ[name] for name in names if name in os.environ}
