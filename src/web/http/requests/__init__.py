"""Requests before a view has them: host names, path segments, spans, the time range, uploads.

Imports the cookies and bodies beside it, forms and auth.
"""
