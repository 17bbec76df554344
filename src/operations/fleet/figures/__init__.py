"""Figures of the fleet: its history, the activity of actors, usage, health and metrics.

Imports jobs and the districts below it; changes nothing.
"""
