"""Deliveries of one channel: which are open, which are settled, and what one frame can acknowledge."""

from __future__ import annotations

import heapq
import json
import re
import time
from typing import Any, NamedTuple

from dramatiq import Message
from dramatiq.broker import MessageProxy

from ...jobs.control.held import is_keepable
from ...jobs.core.claimed import Claimed
from ...jobs.options.job_options import NORMAL_PRIORITY

#: seconds that a settled delivery may wait for earlier ones, to be acknowledged together
TOGETHER_S = 0.02
#: The same while few are settled. An earlier one is often in the next commit: acknowledging one by one meanwhile would cost worker and
#: RabbitMQ as much as their jobs.
FEW_TOGETHER_S = 0.1


class Arrival(NamedTuple):
    """One delivery as received: `generation` numbers the channel; tags restart with each."""

    generation: int
    tag: int
    redelivered: bool
    body: bytes
    priority: int = NORMAL_PRIORITY
    properties: Any = None  # pika's; of another program's message, which may need them


class Arrivals:
    """Unclaimed deliveries, the most urgent first, and of equal ones the oldest."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Arrival]] = []

    def __len__(self) -> int:
        return len(self._heap)

    def put(self, arrival: Arrival) -> None:
        heapq.heappush(self._heap, (-arrival.priority, arrival.tag, arrival))

    def take(self, count: int) -> list[Arrival]:
        return [heapq.heappop(self._heap)[2] for _ in range(count)]

    def clear(self) -> list[Arrival]:
        """Take all of them, in any order."""
        everything, self._heap = self._heap, []
        return [entry[2] for entry in everything]


class Delivery(MessageProxy):
    """A claimed job on its way through Dramatiq's worker, with its delivery."""

    _exception: BaseException | None

    def __init__(self, claimed: Claimed, arrival: Arrival, consumer: Any) -> None:
        # Overrides MessageProxy's: most jobs end without any reader of their complete message.
        self.failed = False
        self._exception = None
        self._whole: Message[Any] | None = None
        self.options = _options(claimed)
        self.args = tuple(json.loads(claimed.args)) if claimed.args != "[]" else ()
        self.kwargs = json.loads(claimed.kwargs) if claimed.kwargs != "{}" else {}
        self.claimed = claimed
        self.arrival = arrival
        self.consumer = consumer
        self.redelivered = arrival.redelivered
        self.is_acknowledged = False
        self.received = time.monotonic()
        self.key = (claimed.seq, claimed.attempt)  # the job and the number of its attempt

    @property
    def _message(self) -> Message[Any]:  # type: ignore[override]
        """Build the Dramatiq message of a claimed row: the row decides what runs, whatever the body said."""
        if self._whole is None:
            claimed = self.claimed
            self._whole = Message(
                queue_name=claimed.queue,
                actor_name=claimed.actor,
                args=self.args,
                kwargs=self.kwargs,
                options=self.options,
                message_id=claimed.id,
                message_timestamp=claimed.created_us // 1000,
            )
        return self._whole

    def note_failure(self, retries: int, traceback: str) -> None:
        """Set the options that Dramatiq's Retries sets after a failure: callbacks and later hooks read them."""
        self.options |= {"retries": retries, "traceback": traceback}

    @property
    def message(self) -> Delivery:
        """Return itself: Dramatiq's threads expect a queue entry with a message; this object is both."""
        return self


def _options(claimed: Claimed) -> dict[str, Any]:
    options: dict[str, Any] = json.loads(claimed.options) if claimed.options != "{}" else {}
    options["retries"] = claimed.failures  # where Dramatiq's own middleware and actors expect it
    options["attempt"] = claimed.attempt
    return options


class Glance(NamedTuple):
    """The fields of a message that a claim needs."""

    id: str
    actor: str
    attempt: int


_PUBLISHED_HERE = re.compile(
    rb'\{"queue_name":"[^"\\]*","actor_name":"([ !#-\[\]-~]+)","args":.*"attempt":([1-9]\d{0,8})\},"message_id":"([ !#-\[\]-~]{1,255})","message_timestamp":\d+\}',
    re.DOTALL,
)


def glance(body: bytes) -> Glance | None:
    """Read a body that looks like one of our own without decoding its arguments; None: use decode().

    The claim checks everything against the row, and the row's arguments are used.
    """
    found = _PUBLISHED_HERE.fullmatch(body)
    return None if found is None else Glance(found[3].decode(), found[1].decode(), int(found[2]))


def decode(body: bytes) -> tuple[Message[Any] | None, str]:
    """Return the message of a body, or None with the error."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        return None, f"no JSON ({error})"
    if not isinstance(fields, dict):
        return None, "no JSON object"
    args = fields.get("args")
    if not isinstance(args, list):
        return None, "args must be a list"  # a string or an object would be unpacked into its characters or keys
    try:
        message: Message[Any] = Message(**{**fields, "args": tuple(args)})
    except TypeError as error:
        return None, str(error).replace("Message.__init__() ", "")
    problem = is_keepable(message)
    return (None, problem) if problem else (message, "")


class Acknowledger:
    """The settled tags of one channel, acknowledged together up to the low-water mark where possible."""

    def __init__(self) -> None:
        # Ascending, as RabbitMQ numbers them. Tags that pika rejects by itself, when a subscription ends with deliveries in transit,
        # never appear here: a counter would wait for them for ever.
        self._open: dict[int, None] = {}
        self._settled: set[int] = set()  # to be acknowledged
        self._since = 0.0

    @property
    def is_waiting(self) -> bool:
        return bool(self._settled)

    def delivered(self, tag: int) -> None:
        """Record a tag that must be answered."""
        self._open[tag] = None

    def settle(self, tag: int) -> None:
        if tag not in self._open:
            return
        if not self._settled:
            self._since = time.monotonic()
        self._settled.add(tag)

    def gave_back(self, tag: int) -> None:
        """Remove a tag answered with a nack: it no longer holds the low-water mark."""
        del self._open[tag]

    def acknowledge(self, channel: Any, *, everything: bool = False, few: int = 0) -> None:
        """Send the acks that can be sent now. One long job must not hold back the others for long: `few` of them, and then all sooner."""
        newest = self._advance()
        if newest is not None:
            # Name only a tag that is still open: RabbitMQ closes the channel over any other.
            channel.basic_ack(newest, multiple=True)
        patience_s = FEW_TOGETHER_S if len(self._settled) <= few else TOGETHER_S
        if self._settled and (everything or time.monotonic() - self._since > patience_s):
            for tag in sorted(self._settled):
                channel.basic_ack(tag)
                del self._open[tag]
            self._settled = set()

    def _advance(self) -> int | None:
        answered = []
        for tag in self._open:
            if tag not in self._settled:
                break
            answered.append(tag)
        for tag in answered:
            del self._open[tag]
        self._settled.difference_update(answered)
        return answered[-1] if answered else None
