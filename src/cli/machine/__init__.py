"""Verbs about this machine: start, stop, inspect, and one process in the foreground. Imports every other district."""
