"""Settings of the shop's Django project."""

import importlib.util
import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

BASE_DIR = Path(__file__).resolve().parents[2]
SECRET_KEY = os.environ.get("SHOP_SECRET_KEY", "only for this example")
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "src.project.urls"
WSGI_APPLICATION = "src.project.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
INSTALLED_APPS = ["src.shop"]

_url = urlsplit(os.environ["SHOP_DATABASE_URL"])
if _url.scheme == "sqlite":
    # Without IMMEDIATE, a transaction that reads first may fail as soon as it writes: Callboard's processes write, too.
    _database = {"ENGINE": "django.db.backends.sqlite3", "NAME": _url.path[1:], "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20}}
else:
    _database = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _url.path[1:],
        "USER": unquote(_url.username or ""),
        "PASSWORD": unquote(_url.password or ""),
        "HOST": _url.hostname or "",
        "PORT": _url.port or "",
    }
DATABASES = {"default": _database}

TASKS = {"default": {"BACKEND": "callboard.django.tasks.CallboardBackend", "QUEUES": ["default", "mail"]}}
if importlib.util.find_spec("django.tasks") is None:  # before Django 6.0
    INSTALLED_APPS.append("django_tasks")
