"""Helpers with Celery's names: loggers.

Imports no other district.
"""
