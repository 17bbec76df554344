"""PostgreSQL on a data folder, which is made if it is missing."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.processes import Group

USER = "callboard"


def serve(programs: Path, data: Path, port: int, *, log: Path, settings: Mapping[str, str] | None = None) -> Group:
    """Start the server as the distribution configures it, except for addresses and `settings`; it accepts connections some moments later."""
    folder = data.parent
    how: dict[str, Any] = {}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        user = pwd.getpwnam("postgres")
        how = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8", "HOME": str(folder)}
    if not data.exists():
        folder.mkdir(parents=True, exist_ok=True)
        if how:
            os.chown(folder, how["user"], how["group"])
        initdb = [str(programs / "initdb"), "--auth=trust", f"--username={USER}", "--encoding=UTF8", "--locale=C", str(data)]
        subprocess.run(initdb, check=True, capture_output=True, timeout=120, cwd=folder, env=environment, **how)
    chosen = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "max_connections": "200",
        "dynamic_shared_memory_type": "mmap",  # a bare root file system may have no usable /dev/shm
        **(settings or {}),
    }
    options = [part for name, value in chosen.items() for part in ("-c", f"{name}={value}")]
    return Group([str(programs / "postgres"), "-D", str(data), "-p", str(port), *options], env=environment, cwd=folder, log=log, **how)
