"""Failure fingerprints: group failures by exception type, location in application code, and normalised message."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import NamedTuple

#: part of every fingerprint: a changed rule yields different ones, which never mix with the old ones
VERSION = 1
LENGTH = 16
#: characters of a message that count
MESSAGE_LENGTH = 200
#: not failures: the actor asked to be retried later, or was limited
EXPECTED = frozenset({"Retry", "RateLimitExceeded"})
LOST = "WorkerLost"

_FRAME = re.compile(r'^  File "([^"\n]+)", line \d+, in ([^\n]+)$', re.MULTILINE)
_FOREIGN = re.compile(r"/(?:site|dist)-packages/|/lib/python3|/python3\.\d+/|^<")
_VARIABLE = (
    (re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE), "UUID"),
    (re.compile(r"\b[\w.+-]+@[\w-]+\.[\w.-]+"), "ADDRESS"),
    (re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s'\"<>]+", re.IGNORECASE), "URL"),
    (re.compile(r"'[^'\n]*'|\"[^\"\n]*\"|`[^`\n]*`|“[^”\n]*”"), "TEXT"),
    (re.compile(r"(?<![\w.])(?:~|\.{0,2})/[\w./@+~-]+"), "PATH"),
    (re.compile(r"\b0x[0-9a-f]+\b|\b(?=[0-9a-f]*\d)[0-9a-f]{7,}\b", re.IGNORECASE), "HEX"),
    (re.compile(r"[-+]?\d+(?:[.,:]\d+)*"), "N"),
)


class Fingerprint(NamedTuple):
    """Identity of an error group; `id` is its hash."""

    id: str
    kind: str  # the exception's type
    place: str  # file:function, the innermost frame of application code; the actor if there is none
    message: str  # normalised


def fingerprint(actor: str, error: str | None, traceback: str | None) -> Fingerprint | None:
    """Return the fingerprint of a recorded failed attempt; None: it is not a failure, or too little was recorded."""
    if not error:
        return None
    kind, _, words = error.partition(": ")
    if kind in EXPECTED:
        return None
    if not re.fullmatch(r"[\w.]+", kind):  # a sentence of ours, not an exception
        kind, words = "Error", error
    return _fingerprint(kind, _place(traceback) or actor, normalise(words))


def of_lost_worker() -> Fingerprint:
    """The fingerprint of attempts whose worker was lost: one group for the infrastructure, not one for each actor that happened to run."""
    return _fingerprint(LOST, "infrastructure", "its worker was lost")


def normalise(message: str) -> str:
    """Remove from a message what varies between occurrences: numbers, names, paths."""
    text = message[: MESSAGE_LENGTH * 4]
    for variable, word in _VARIABLE:
        text = variable.sub(word, text)
    return " ".join(text.split())[:MESSAGE_LENGTH]


def is_foreign(path: str) -> bool:
    """True for a library's file, False for application code."""
    return _FOREIGN.search(path) is not None


def _place(traceback: str | None) -> str | None:
    frames = _FRAME.findall((traceback or "")[-64_000:])
    if not frames:
        return None
    path, function = next((frame for frame in reversed(frames) if not _FOREIGN.search(frame[0])), frames[-1])
    # Two parts of the path: enough to identify a file, and the same on every host.
    return f"{'/'.join(path.replace(chr(92), '/').split('/')[-2:])}:{function}"[:255]


def _fingerprint(kind: str, place: str, message: str) -> Fingerprint:
    kind = kind[:255]
    digest = hashlib.sha256("\x1f".join((str(VERSION), kind, place, message)).encode("utf-8", "backslashreplace"))
    return Fingerprint(digest.hexdigest()[:LENGTH], kind, place, message)


def pieces(message: str) -> list[tuple[str, bool]]:
    """Cut a message into pieces, each with True if it varies between the occurrences of a group."""
    found = [(message[: MESSAGE_LENGTH * 4], False)]
    for variable, _ in _VARIABLE:
        found = [piece for text, varies in found for piece in ([(text, True)] if varies else _cut(text, variable))]
    return found


def _cut(text: str, variable: re.Pattern[str]) -> Iterator[tuple[str, bool]]:
    end = 0
    for match in variable.finditer(text):
        if match.start() > end:
            yield text[end : match.start()], False
        yield match[0], True
        end = match.end()
    if end < len(text):
        yield text[end:], False
