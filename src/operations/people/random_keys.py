"""Random keys that are handed out once and kept only as a hash."""

from __future__ import annotations

import hashlib
import secrets


def new_key() -> str:
    """256 random bits, safe in URLs and cookies."""
    return secrets.token_urlsafe(32)


def hash_key(key: str) -> str:
    """The key as the database knows it. Keys are random, so that a plain hash is enough; passwords go through argon2."""
    return hashlib.sha256(key.encode()).hexdigest()
