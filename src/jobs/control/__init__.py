"""Operators' actions: act on one job or many, edit, release held jobs, control workflows, and explain why a job waits.

Imports all districts below.
"""
