"""Checks of running parts: web, readiness, silent schedulers, status. Imports parts and data."""
