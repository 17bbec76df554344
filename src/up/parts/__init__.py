"""Supervised processes: how each is started, watched, reloaded and ended. Imports data."""
