"""Metrics endpoints: each process serves a port of its own, sharing no file or lock, and writes a file that names it.

Prometheus finds the ports in the folder `metrics` of the data folder (`file_sd_configs`), because processes come and
go.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from pathlib import Path
from typing import Any

from prometheus_client import start_http_server

from ...logs import get_logger
from ...settings import get_settings
from .meters import Meters

log = get_logger(__name__)

#: ports tried from the first one on: processes of one host
PORTS = 100


class Endpoint:
    """A port of this process that serves its metrics, and the file that names it."""

    def __init__(self, server: Any, file: Path | None) -> None:
        self.server, self._file = server, file

    def close(self) -> None:
        """Stop serving metrics."""
        self.server.shutdown()
        self.server.server_close()
        if self._file is not None:
            self._file.unlink(missing_ok=True)


def expose(meters: Meters, role: str) -> Endpoint | None:
    """Serve metrics on the first free port; if none is free, log it and go on."""
    settings = get_settings()
    last = min(settings.metrics_port + PORTS, 65_536)
    for port in range(settings.metrics_port, last):
        try:
            server, _ = start_http_server(port, settings.metrics_host, registry=meters.registry)
        except OSError as error:
            log.debug("metrics_port_taken", port=port, detail=error.strerror)
            continue
        host = f"[{settings.metrics_host}]" if ":" in settings.metrics_host else settings.metrics_host
        log.info("metrics_served", address=f"http://{host}:{port}/metrics")
        return Endpoint(server, _announce(settings.data_dir / "metrics", role, f"{host}:{port}"))
    log.error(
        "metrics_not_served",
        why=f"no port from {settings.metrics_port} to {last - 1} is free on {settings.metrics_host}",
        cure="set CALLBOARD_METRICS_HOST to an address of this host, and CALLBOARD_METRICS_PORT to the first of some free ports",
    )
    return None


def _announce(folder: Path, role: str, target: str) -> Path | None:
    """Write this process's target file, and delete those of processes that were killed."""
    host = socket.gethostname()
    file = folder / f"{role}@{host}@{os.getpid()}.json"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for old in folder.glob(f"*@{host}@*.json"):
            if not _is_alive(old.stem.rpartition("@")[2]):
                old.unlink(missing_ok=True)
        draft = file.with_suffix(".new")
        draft.write_text(json.dumps([{"targets": [target], "labels": {"role": role}}]))
        draft.replace(file)  # Prometheus must not read a half-written file
    except OSError as error:
        log.warning("metrics_file_not_written", folder=str(folder), detail=error.strerror)
        return None
    return file


def _is_alive(pid: str) -> bool:
    if not pid.isdecimal():
        return True  # not written by this program
    with contextlib.suppress(PermissionError):
        try:
            os.kill(int(pid), 0)
        except (ProcessLookupError, OverflowError):
            return False
    return True
