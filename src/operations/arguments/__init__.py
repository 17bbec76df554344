"""Arguments of an actor as form fields: one per parameter, and values parsed from a form or a command line.

The actor's schema validates the values, not this district. Imports format.
"""
