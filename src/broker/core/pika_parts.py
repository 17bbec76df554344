"""List of pika's private parts that Callboard uses, and the check whether this version of pika has them.

Code that uses one stands in consume/frame_reader.py, publish/frame_writer.py or core/connections.py, and asks IS_KNOWN
first. An unknown version of pika falls back to its stock behaviour, which is slower.
"""

from __future__ import annotations

import pika
import pika.adapters.blocking_connection
import pika.channel
from pika.adapters.utils import io_services_utils

#: methods and classes, by owner
METHODS: dict[object, tuple[str, ...]] = {
    pika.BlockingConnection: ("_request_channel_dispatch",),
    pika.SelectConnection: (
        "_adapter_emit_data", "_get_body_frame_max_length", "_get_write_buffer_size", "_on_data_available", "_proto_connection_made",
        "_read_frame", "_terminate_stream",
    ),
    pika.channel.Channel: ("_on_deliver",),
    io_services_utils: ("_AsyncPlaintextTransport",),
}  # fmt: skip
#: attributes of instances, by the module that sets them; a test finds them there
ATTRIBUTES: dict[object, tuple[str, ...]] = {
    pika.adapters.blocking_connection: ("_impl", "_pending_events"),
    pika.connection: ("_channels", "_frame_buffer"),
    pika.channel: ("_content_assembler", "_method_frame"),
    pika.adapters.base_connection: ("_transport",),
    io_services_utils: ("_MAX_RECV_BYTES", "_sock", "_state"),
}


def missing() -> list[str]:
    """Return the methods and classes that this version of pika lacks."""
    return [f"{getattr(owner, '__name__', owner)}.{name}" for owner, names in METHODS.items() for name in names if not hasattr(owner, name)]


IS_KNOWN = not missing()
