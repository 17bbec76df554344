"""Supervised processes: start, watch, reload and stop. Imports data."""
