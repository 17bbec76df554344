"""The shop as a WSGI application, with the console under /background: `waitress-serve src.project.wsgi:application`."""

import os

import callboard.web
from django.core.wsgi import get_wsgi_application
from werkzeug.middleware.dispatcher import DispatcherMiddleware

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "src.project.settings")
application = DispatcherMiddleware(get_wsgi_application(), {"/background": callboard.web.create_app()})
