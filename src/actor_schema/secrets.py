"""Secret arguments in rows, messages and backups: encrypted with a key derived from CALLBOARD_SECRET_KEY.

Encryption is deterministic per parameter (AES-SIV), so that a form sent twice is recognised and unique keys work. A
value sealed for one parameter cannot be opened for another.
"""

from __future__ import annotations

import base64
import binascii
import json
from functools import lru_cache
from typing import Any

from ..jobs.core.envelopes import dumps
from ..settings import get_settings

#: the only key in the object that stands for a sealed value
MARK = "$sealed"


class Unopenable(Exception):
    """The value was sealed with another key, or for another parameter."""


def seal(value: Any, place: str) -> Any:
    """Seal a value as an object that reveals nothing; None and sealed values are returned unchanged. `place`: actor and parameter."""
    if value is None or is_sealed(value):
        return value
    sealed = _cipher(get_settings().effective_secret_key()).encrypt(dumps(value).encode(), _about(place))
    return {MARK: base64.urlsafe_b64encode(sealed).decode()}


def unseal(value: Any, place: str) -> Any:
    """Unseal a value; one that is not sealed is returned unchanged. Raises Unopenable."""
    if not is_sealed(value):
        return value
    from cryptography.exceptions import InvalidTag  # imported late: 7 MB that only secret arguments need

    try:
        sealed = base64.urlsafe_b64decode(value[MARK])
        return json.loads(_cipher(get_settings().effective_secret_key()).decrypt(sealed, _about(place)))
    except (InvalidTag, ValueError, TypeError, binascii.Error):
        raise Unopenable from None


def is_sealed(value: Any) -> bool:
    """True if the value is a sealed one."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get(MARK), str)


def _about(place: str) -> list[bytes]:
    return [b"callboard", place.encode()]


@lru_cache(maxsize=4)
def _cipher(secret: str) -> Any:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV  # imported late: 7 MB that only secret arguments need
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return AESSIV(HKDF(SHA256(), length=64, salt=None, info=b"callboard secret arguments").derive(secret.encode()))
