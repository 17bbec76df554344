"""Reports: documents of text, tables and charts, their output formats, and their archive.

The law of this room: it alone writes the table of reports; a document is independent of its presentation, and every
format (page, mail, PDF, CSV) is made from the same document. Functions take the session first and never commit.
"""
