"""Options: the declaration of each job option, the kinds of their values, and the options of messages.

Imports core.
"""
