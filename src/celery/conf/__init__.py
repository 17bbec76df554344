"""Configuration: the table of keys with their meaning here, and `app.conf`.

Imports base and exceptions.
"""
