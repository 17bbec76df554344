"""Survey of an application written for Celery: its tasks and schedules, the differences it meets, and the lines to change.

Reads sources by their syntax tree, without running them, and the tables of a beat database. Imports app and below.
"""
