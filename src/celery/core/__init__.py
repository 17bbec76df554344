"""The request of the running task, the registry of tasks, and the messages that are sent for them.

Imports conf, signals, exceptions and base.
"""
