"""Emails: rendered once, stored as bytes, sent, with a delivery record per recipient.

The law of this room: it alone writes the tables of mail, and sends exactly the bytes that were stored. It submits no
jobs (src/actors/mail.py does) and has no knowledge of an email's subject matter. Functions take the session first and
never commit.
"""
