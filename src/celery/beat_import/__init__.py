"""Import of beat's schedules: the rows of django-celery-beat, and the entries that loaded code declares, as schedules of Callboard.

Imports app and below, and src.scheduling for the check of a schedule.
"""
