"""Ticks that are due: fired, missed, backfilled; and what the ends of their jobs mean to the schedule.

Imports edit and below.
"""
