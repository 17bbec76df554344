"""Tables and codecs that every district uses: differences from Celery, and the JSON form of rich values.

Imports no other district.
"""
