"""Verbs about the fleet: overrides, workers, alerts, backups, and the live view. Imports jobs and shared."""
