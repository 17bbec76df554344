"""The arguments of an actor as fields: one per parameter, and the values read from the texts of a form or a command line.

Whether values fit is decided by the actor's schema, not here. Imports format.
"""
