"""The one encoder of values for rows and messages (arguments, results, follow-ups), texts (errors, progress, logs) and JSON bodies.

Its output is valid for both stores, RabbitMQ and every JSON parser. It rejects other values with a reason.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable
from itertools import accumulate
from typing import Any, NoReturn

from dramatiq.middleware import Interrupt
from pydantic_core import to_jsonable_python

from ...formats.quantities import counted

#: maximum nesting; json's own limit depends on the depth of the caller's stack
DEEPEST = 200
_EMPTY: dict[type, str] = {list: "[]", dict: "{}"}
_TOO_DEEP = f"nested more than {DEEPEST} levels deep"
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in _STEPS)
#: one escape of a JSON string: a surrogate pair, a lone surrogate, or any other
_ESCAPE = re.compile(r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u([dD][89a-fA-F][0-9a-fA-F]{2})|.)")
_LONE = re.compile("[\ud800-\udfff]")


def dumps(value: Any) -> str:
    """Encode exactly what JSON holds as compact JSON; raises TypeError or ValueError for anything else: arguments must round-trip."""
    if not value and type(value) in _EMPTY:
        return _EMPTY[type(value)]
    return _written(value, _encode, _refused)


def dumps_rich(value: Any) -> str:
    """Encode a result as compact JSON, richer types by pydantic's rules; raises TypeError or ValueError if there is no JSON form.

    A lone surrogate, which no store and few parsers accept, becomes its escape sequence as text.
    """
    if type(value) is int:
        return int.__repr__(value)
    return _written(value, _encode_rich, _as_text)


def plain(value: Any) -> Any:
    """The result as it is read back: as a row, a page and the next job receive it."""
    return json.loads(dumps_rich(value))


def loads(text: str | bytes, *, constants: bool = False) -> Any:
    """Parse untrusted JSON; raises ValueError for 1e400, which would become Infinity, and for a name given twice, of which one would be lost.

    Also for NaN and Infinity, unless `constants`.
    """
    return json.loads(text, parse_constant=None if constants else _refuse_constant, parse_float=_finite, object_pairs_hook=_distinct)


def in_order(items: list[Any]) -> list[Any]:
    """Return the JSON forms of a set's items in an order that is the same in every process: numbers, then the others by their text."""
    return sorted(
        items, key=lambda each: (0, each, "") if type(each) in (int, float) and each == each else (1, 0, json.dumps(each, sort_keys=True))
    )


def is_too_deep(text: str | bytes, deepest: int = DEEPEST) -> bool:
    """True if lists and objects are nested deeper than `deepest`; counts brackets without parsing."""
    if isinstance(text, str):
        if text.count("[") + text.count("{") <= deepest:  # true of nearly every value
            return False
        text = text.encode("utf-8", "replace")
    data = text
    outside = b"".join(data.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])
    return max(accumulate(map(_STEPS.__getitem__, outside.translate(None, _NO_BRACKETS))), default=0) > deepest


def size_parsed(data: bytes) -> int:
    """Estimate the memory of a parsed JSON text, without parsing it."""
    brackets = data.count(b"[") + data.count(b"{")
    return len(data) + 64 * brackets + 32 * data.count(b",") + 30 * data.count(b'"')


def unkeepable(value: Any, path: tuple[str | int, ...] = ()) -> tuple[tuple[str | int, ...], str] | None:
    """Return the location of a lone surrogate within a JSON value, which cannot be stored, and the reason; None: there is none."""
    if isinstance(value, str):
        found = _LONE.search(value)
        return None if found is None else (path, f"Half of a surrogate pair (\\u{ord(found[0]):x}) is not a character: leave it out.")
    if isinstance(value, dict):
        for name, inner in value.items():
            found_in = unkeepable(name, (*path, ascii(name)[1:-1])) or unkeepable(inner, (*path, name))
            if found_in is not None:
                return found_in
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            if (found_at := unkeepable(inner, (*path, index))) is not None:
                return found_at
    return None


def text_of(value: Any, limit: int | None = None) -> str:
    """Convert any object to a text that both stores hold; if that fails, use the name of its type."""
    if isinstance(value, bytes | bytearray | memoryview):
        return storable(bytes(value).decode("utf-8", "backslashreplace"), limit)
    try:
        return storable(str(value), limit)
    except Interrupt:
        raise  # of the attempt: a time limit or a cancel
    except BaseException:  # noqa: BLE001 - the __str__ of a foreign class may raise anything, SystemExit too
        return f"({type(value).__name__} that cannot be read)"


def storable(text: str, limit: int | None = None) -> str:
    """Make a text storable: no NUL, no lone surrogate, cut in the middle if too long."""
    text = text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")
    if limit is not None and len(text) > limit:
        half = limit // 2
        text = f"{text[:half]}\n… {counted(len(text) - limit, 'character', separator=',')} left out …\n{text[-half:]}"
    return text


def fitting(key: str, most: int) -> str:
    """Make a key fit its column: a longer one ends with its hash, so that keys which differ late stay apart."""
    if len(key) <= most:
        return key
    hashed = hashlib.sha256(key.encode()).hexdigest()[:32]
    return f"{key[: most - len(hashed)]}{hashed}"


def _written(value: Any, encode: Callable[[Any], str], lone: Callable[[re.Match[str]], str]) -> str:
    try:
        text = encode(value)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except (TypeError, ValueError, Interrupt):
        raise
    except BaseException as error:  # a property or serializer of the value's own class failed
        raise TypeError(f"{type(error).__name__}: {text_of(error)}") from error
    if is_too_deep(text):
        raise ValueError(_TOO_DEEP)
    return _ESCAPE.sub(lone, text) if "\\ud" in text else text


def _encode_rich(value: Any) -> str:
    try:
        return _encode_leaves(value)
    except TypeError:  # keys that are neither strings nor numbers, or a type without a JSON form, which the error names
        return _encode(to_jsonable_python(value, fallback=_foreign))


def _plain(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        return in_order([json.loads(_encode_rich(each)) for each in value])
    return value.tolist() if _is_array(value) else to_jsonable_python(value, fallback=_foreign)


def _foreign(value: Any) -> Any:
    if _is_array(value):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _is_array(value: Any) -> bool:
    """True for numbers and arrays of NumPy and similar libraries, none of which is imported here."""
    return not isinstance(value, type) and callable(getattr(value, "tolist", None))


#: reused: with separators, json.dumps() creates an encoder per call, which takes twice as long as encoding
_encode = json.JSONEncoder(separators=(",", ":")).encode
_encode_leaves = json.JSONEncoder(separators=(",", ":"), default=_plain).encode


def _as_text(escape: re.Match[str]) -> str:
    return escape[0] if escape[1] is None else f"\\{escape[0]}"


def _refused(escape: re.Match[str]) -> str:
    if escape[1] is not None:
        raise ValueError(f"half of a surrogate pair ({escape[0]}) is not a character")
    return escape[0]


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {json.dumps(twice):.100} is given twice in one object")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text:.40} is beyond what a number holds")
    return number
