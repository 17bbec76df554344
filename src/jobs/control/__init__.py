"""What an operator may do: act on one job or many, edit, release held jobs, control workflows, and see why a job waits.

Imports all districts below.
"""
