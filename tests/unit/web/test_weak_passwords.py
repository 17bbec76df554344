"""Passwords that are guessed first, and ones that are not."""

from __future__ import annotations

import secrets

import pytest

from src.operations.people.weak_passwords import is_weak


@pytest.mark.parametrize(
    "password",
    [
        "passwordpassword", "Password1234!", "P@ssw0rd2024!", "qwertyuiop123", "123456789012", "1q2w3e4r5t6y", "letmeinletmein", "iloveyou!!!!!!", "AdminAdmin123",
        "callboard2026", "Summer2026!!!", "welcome-welcome", "zxcvbnm12345", "aaaaaaaaaaaa", "abcabcabcabc", "correct horse", "trustno1trustno1", "ann.lee-ann.lee",
        "changeme changeme", "qwertz123456", "September2025", "0987654321ab", "test-test-test-1",
    ],
)  # fmt: skip
def test_common_passwords_are_weak(password: str) -> None:
    assert is_weak(password, "ann.lee", "ann", "lee"), password


@pytest.mark.parametrize(
    "password",
    ["planted-password-06", "correct horse battery staple", "Vb9-frolic-Ketchup", "die Katze schläft", "ölfarbe im flur", "kk2jx9wq0zzt"],
)
def test_what_is_ones_own_is_taken(password: str) -> None:
    assert not is_weak(password, "ann.lee"), password


def test_random_ones_are_taken_and_long_ones_are_quick() -> None:
    assert not any(is_weak(secrets.token_urlsafe(15)) for _ in range(200))
    assert not is_weak("".join(secrets.token_urlsafe(16) for _ in range(47)))
