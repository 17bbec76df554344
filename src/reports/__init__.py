"""WHAT does a report say? Documents of text, tables and charts, how they look in each form, and the archive of them.

The law of this room: it alone writes the table of reports; a document knows nothing of how it will be shown, and every form (page,
mail, PDF, CSV) is made from the same document. Functions take the session first and never commit.
"""
