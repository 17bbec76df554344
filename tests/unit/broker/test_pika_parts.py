"""pika's private parts that Callboard uses: the installed version has all of them, and no other file uses any."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pika

import src.broker
from src.broker.core import pika_parts

#: the files that may use one
USERS = {"frame_reader.py", "frame_writer.py", "connections.py", "pika_parts.py"}
CURE = f"pika {pika.__version__} lacks private parts that src/broker/core/pika_parts.py lists: adapt their users, or it is slower"


def test_the_installed_pika_has_every_method() -> None:
    assert pika_parts.missing() == [], CURE
    assert "_impl_class" in inspect.signature(pika.BlockingConnection).parameters, CURE


def test_the_installed_pika_sets_every_attribute() -> None:
    lacking = [
        name
        for module, names in pika_parts.ATTRIBUTES.items()
        for name in names
        if not re.search(rf"self\.{name}\b", inspect.getsource(module))  # type: ignore[arg-type]
    ]
    assert lacking == [], CURE


def test_only_the_listed_files_use_them() -> None:
    names = [name for parts in (pika_parts.METHODS, pika_parts.ATTRIBUTES) for each in parts.values() for name in each]
    common = {"_channels", "_sock", "_state", "_transport", "_read_frame"}  # also names of our own
    use = re.compile(rf"(?:\w|\))\.({'|'.join(set(names) - common)})\b")
    folder = Path(src.broker.__file__).parent

    found = {
        f"{path.name}: {use.search(path.read_text())}"
        for path in folder.rglob("*.py")
        if path.name not in USERS and use.search(path.read_text())
    }

    assert not found
