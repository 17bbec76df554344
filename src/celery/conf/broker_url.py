"""The broker that the code names, beside CALLBOARD_BROKER_URL: docs/decisions/0011-celery-broker.md."""

from __future__ import annotations

import os
from typing import Any

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker

from ...configuration.broker_url import parse as broker_url
from ...configuration.kept_secrets import masked
from ...configuration.setting_checks import list_of
from ...configuration.setting_sources import PREFIX
from ...settings import Settings, get_settings
from ..exceptions import ImproperlyConfigured

_NAME = f"{PREFIX}BROKER_URL"
_LOCAL = ("localhost", "127.0.0.1", "[::1]")


def follow(given: Any) -> None:
    """Require that the code's broker is Callboard's; without the setting, use the code's.

    Raises ImproperlyConfigured naming both.
    """
    text = ";".join(given) if isinstance(given, list | tuple) else str(given)
    settings = get_settings()
    is_set = "broker_url" in settings.model_fields_set or settings.broker_url != Settings.model_fields["broker_url"].default
    try:
        urls = [broker_url(url) for url in list_of(text, ";")]
    except ValueError as error:
        raise ImproperlyConfigured(_conflict(text, settings.broker_url) if is_set else f"The broker of the code {error}.") from None
    if sorted(map(_place, urls)) == sorted(map(_place, settings.broker_urls)):
        return
    if is_set:
        raise ImproperlyConfigured(_conflict(text, settings.broker_url))
    os.environ[_NAME] = ";".join(urls)  # child processes use it too
    get_settings.cache_clear()
    broker = dramatiq.broker.global_broker
    if isinstance(broker, RabbitmqBroker):
        broker.parameters = RabbitmqBroker(url=get_settings().broker_urls, middleware=[]).parameters


def _conflict(code: str, setting: str) -> str:
    return (
        f"The code names the broker {masked('broker_url', code)}, {_NAME} names {masked('broker_url', setting)}: "
        f"take broker= and broker_url out of the code, or set {_NAME} to the same."
    )


def _place(url: str) -> str:
    """Return the URL with one name for this machine."""
    head, at, place = url.rpartition("@")
    for name in _LOCAL:
        if place.startswith(f"{name}:"):
            place = place.replace(name, _LOCAL[0], 1)
    return f"{head}{at}{place}"
