"""Random keys: shown once and stored only as a hash."""

from __future__ import annotations

import hashlib
import secrets


def new_key() -> str:
    """Generate 256 random bits, URL- and cookie-safe."""
    return secrets.token_urlsafe(32)


def hash_key(key: str) -> str:
    """Hash a key. A plain hash is enough for random keys; passwords use argon2."""
    return hashlib.sha256(key.encode()).hexdigest()
