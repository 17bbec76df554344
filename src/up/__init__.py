"""Supervisor: sets up, starts, watches and stops the processes of one data folder.

This room is independent of jobs. `environment` and `packages` run before any Python package is installed:
they import the standard library only.
"""
