"""Changes of schedules, made by users or by the code that declares them.

Imports rows and rules.
"""
