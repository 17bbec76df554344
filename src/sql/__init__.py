"""The SQL database: engines, sessions, hot statements, one clock.

The law of this room: it knows tables of no room and imports only settings and logs. SQLite and PostgreSQL differ here and nowhere above.
"""
