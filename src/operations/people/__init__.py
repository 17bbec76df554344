"""Users, sessions, API tokens, and the caller with its permissions.

Row filters limit every read session to the actors of the caller. Imports no other district.
"""
