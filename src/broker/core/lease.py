"""Lease: the identity under which a worker process claims jobs and commits their ends, and how long it is known to be valid."""

from __future__ import annotations

import time

from ...settings import get_settings


class Lease:
    """Renewed by the worker's lease thread, read by its consumers, threads and committer.

    The child process of an isolated attempt has a copy that names its worker; it commits under that and claims nothing.
    """

    def __init__(self, name: str, worker_id: int = 0) -> None:
        self.name = name  #: host and process id, as pages show them
        self.worker_id = worker_id  #: primary key of the worker's row; 0: not registered yet
        self.held: set[tuple[int, int]] = set()  #: (seq, attempt) from the claim until its end is committed
        self._renewed = 0.0

    @property
    def may_claim(self) -> bool:
        """True while the lease is known to be valid. Without SQL it expires, and no more jobs are claimed."""
        return self.worker_id != 0 and time.monotonic() - self._renewed < get_settings().lease_duration

    def renew(self, asked: float) -> None:
        """Record a renewal by SQL that was requested at `asked` (time.monotonic())."""
        self._renewed = asked

    def suspend(self) -> None:
        """Claim no jobs until the next renewal: SQL has refused a claim, so another process may have taken the jobs over."""
        self._renewed = -get_settings().lease_duration
