"""Celery's commands, each mapped to verbs of Callboard, and the report on an application that is to move.

Imports machine, fleet, jobs and shared; src.celery within functions, since it imports the actors.
"""
