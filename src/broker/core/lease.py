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
        self.held: dict[tuple[int, int], str] = {}  #: (seq, attempt) -> id, from the claim until its end is committed
        self._renewed = 0.0

    @property
    def may_claim(self) -> bool:
        """True while the lease is known to be valid. Without SQL it expires, and no more jobs are claimed."""
        return self.worker_id != 0 and time.monotonic() - self._renewed < get_settings().lease_duration

    def is_of(self, key: tuple[int, int], id: str) -> bool:
        """False if this worker holds another job under that (seq, attempt).

        A killed PostgreSQL may forget the submission of a job that runs, and then give its number to another one.
        """
        return self.held.get(key, id) == id

    def release(self, key: tuple[int, int], id: str) -> None:
        """Record that the end of this job is committed, or that it was handed back."""
        if self.held.get(key) == id:
            self.held.pop(key, None)

    def renew(self, asked: float) -> None:
        """Record a renewal by SQL that was requested at `asked` (time.monotonic())."""
        self._renewed = asked

    def suspend(self) -> None:
        """Claim no jobs until the next renewal: SQL has refused a claim, so another process may have taken the jobs over."""
        self._renewed = -get_settings().lease_duration
