"""The SQL database: engines, sessions, hot statements and one clock.

The law of this room: it knows no room's tables and imports only settings and logs. SQLite and PostgreSQL differ here
and nowhere above.
"""
