"""Who holds the lease of what is run: a worker's crew, or what stands for it in the process of one attempt."""

from __future__ import annotations

from typing import Any, Protocol

from src.broker.limits import Limits


class Holder(Protocol):
    """What the executor asks of them."""

    @property
    def worker_id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def limits(self) -> Limits: ...
    @property
    def load(self) -> Any: ...
    @property
    def committer(self) -> Any: ...
    @property
    def cells(self) -> Any: ...
    @property
    def ledger(self) -> Any: ...
    @property
    def keep_lines(self) -> Any: ...
