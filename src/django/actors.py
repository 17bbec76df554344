"""Actors of a Django project: CALLBOARD_ACTORS=callboard.django.actors, and DJANGO_SETTINGS_MODULE.

Sets Django up, and imports the modules `actors` and `tasks` of each installed application.
"""

from __future__ import annotations

from typing import Any

import django
from django.apps import apps
from django.db import close_old_connections
from django.utils.module_loading import autodiscover_modules
from dramatiq import Middleware
from dramatiq.broker import Broker

from ..actors import broker


class Connections(Middleware):
    """Closes Django's connections around each attempt if they are broken or too old, as Django does around requests."""

    def before_process_message(self, broker: Broker, message: Any) -> None:
        close_old_connections()

    def after_process_message(self, broker: Broker, message: Any, *, result: Any = None, exception: BaseException | None = None) -> None:
        close_old_connections()


if not apps.ready:
    django.setup()
broker.add_middleware(Connections())
autodiscover_modules("actors", "tasks")
