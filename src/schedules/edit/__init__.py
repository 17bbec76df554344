"""Changes of schedules: by people, and by the code that declares them.

Imports rows and rules.
"""
