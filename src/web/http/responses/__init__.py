"""Responses of every view: errors, their documents, export formats, headers, compression.

Imports requests, the cookies and bodies beside it, forms and auth.
"""
