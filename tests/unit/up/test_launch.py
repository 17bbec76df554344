"""Ports of the parts: opened once, here, and passed on."""

from __future__ import annotations

from src.up.parts import launch


def test_two_concurrent_requests_for_one_port_get_two() -> None:
    with launch.listen_on("127.0.0.1", 21_525, exact=False) as one, launch.listen_on("127.0.0.1", 21_525, exact=False) as other:
        ports = {each.getsockname()[1] for each in (one, other)}

    assert len(ports) == 2
