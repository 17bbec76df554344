"""Parts of `src/settings.py`: groups of fields, checks of values, sources, and the secrets, databases and networks they name.

The law of this room: a value is checked where it is read, and the error says the cure. Imports no other room.
"""
