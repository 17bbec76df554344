"""Drawings as numbers for SVG and style sheets: charts of a time range, timelines, Gantt charts and graphs of workflows.

Imports no other module of render.
"""
