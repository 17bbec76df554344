"""Workflows: canvas, stored workflows, their submission, and what the end of a step releases.

Imports submit and below.
"""
