"""Requests that submit jobs or act on them, one or many: checked, permitted and carried out.

Imports the actors and options beside it, and the districts below jobs.
"""
