"""Due ticks: fire them, handle misfires, backfill; and apply the outcomes of their jobs to the schedule.

Imports edit and below.
"""
