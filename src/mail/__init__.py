"""HOW does a letter leave? Rendered once, kept as bytes, sent, and every recipient accounted for.

The law of this room: it alone writes the tables of mail, and what is sent is what was kept, byte for byte. It submits no
jobs (src/actors/mail.py does) and knows nothing of what letters are about. Functions take the session first and never commit.
"""
