"""Load at a steady rate, through the web API or by `submit()` in this process; each submission is timed, and accepted ones are recorded."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from dramatiq import Message

from src.jobs import submit
from src.jobs.submit.submission import new_id
from src.sql.database import Database

#: seconds a submission may take before it counts as unanswered
PATIENCE_S = 30.0

Send = Callable[[str, int], str]
#: opens what a submitting thread sends through, and closes it when the thread ends
MakeSend = Callable[[], AbstractContextManager[Send]]


@dataclass
class Load:
    """Observations of a load generator."""

    accepted: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)  # errors instead of an answer with an id
    seconds: list[float] = field(default_factory=list)


class Submitters:
    """Threads that together submit `rate` jobs per second until `total` are submitted or `stop` is called."""

    def __init__(
        self, make_send: MakeSend, *, total: int, rate: float, lengths_ms: tuple[int, int], threads: int = 8, seed: int = 1
    ) -> None:
        self.load = Load()
        self._make_send = make_send
        self._total = total
        self._rate = rate
        self._lengths = lengths_ms
        self._chance = random.Random(seed)
        self._given = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._begun = 0.0
        self._threads = [threading.Thread(target=self._run, name=f"submitter-{number}", daemon=True) for number in range(threads)]

    def start(self) -> None:
        self._begun = time.monotonic()
        for thread in self._threads:
            thread.start()

    def stop(self) -> Load:
        """Submit nothing more, and return what was seen."""
        self._stop.set()
        return self.wait()

    def wait(self) -> Load:
        for thread in self._threads:
            thread.join()
        return self.load

    @property
    def is_done(self) -> bool:
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        with self._make_send() as send:
            self._submit(send)

    def _submit(self, send: Send) -> None:
        while True:
            with self._lock:
                number = self._given
                if number >= self._total:
                    return
                self._given += 1
                actor = self._chance.choice(["work", "leave_a_row"])
                least, most = self._lengths
                length = self._chance.randint(least, most)
            if self._stop.wait(max(0.0, self._begun + number / self._rate - time.monotonic())):
                return
            asked = time.monotonic()
            try:
                self.load.accepted.append(send(actor, length))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what a caller would have got
                self.load.refused.append(f"{type(error).__name__}: {error}")
            self.load.seconds.append(time.monotonic() - asked)


def directly(database: Database) -> MakeSend:
    """Submit in this process: a row in a transaction of its own."""

    def send(actor: str, length_ms: int) -> str:
        message: Message[Any] = Message(queue_name="chaos", actor_name=actor, args=(length_ms,), kwargs={}, options={}, message_id=new_id())
        with database.write() as session:
            receipt = submit(session, message)
        return receipt.id

    return lambda: nullcontext(send)


def over_http(url: str, token: str) -> MakeSend:
    """Submit with POST /api/v1/jobs, each thread over a connection of its own that is kept open."""
    host = urlsplit(url).netloc

    @contextmanager
    def make() -> Iterator[Send]:
        connection = http.client.HTTPConnection(host, timeout=PATIENCE_S)

        def send(actor: str, length_ms: int) -> str:
            # Its own key, so that a retry after a lost answer differs from submitting twice.
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Idempotency-Key": new_id()}
            body = json.dumps({"actor": actor, "args": [length_ms]})
            for again in (True, False):
                try:
                    connection.request("POST", "/api/v1/jobs", body, headers)
                    answer = connection.getresponse()
                    text = answer.read()
                    break
                except (http.client.HTTPException, ConnectionError):
                    connection.close()  # a server may close a connection that was kept; the key makes it safe to ask again
                    if not again:
                        raise
            if answer.status != 202:
                raise RuntimeError(f"{answer.status} {text[:200]!r}")
            return str(json.loads(text)["id"])

        with closing(connection):
            yield send

    return make
