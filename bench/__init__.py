"""Callboard beside Celery, stock Dramatiq and Taskiq: one run, one machine, the same RabbitMQ. See README.md.

Modules that workers and submitters of every contestant load (`tally`, `timing`, `sides/…`) use the standard library and
that contestant's packages only: they run in two virtual environments.
"""
