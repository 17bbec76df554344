"""Scheduler process: turns time into submissions.

The law of this room: it runs no jobs itself, and any number of its processes may run. APScheduler is the clock, SQL
is the truth.
"""
