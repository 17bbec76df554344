"""The supervisor with a database."""
