"""Verbs about this machine: start, stop, look, and one process in the foreground. Imports every other district."""
