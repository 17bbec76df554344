"""Operations: what page, API and terminal share. Reading a request, permission, the call, the document that comes back, the audit entry.

The law of this room: it knows neither Flask nor click, and it opens no session of its own but to look a caller up.
From top to bottom: fleet, workflows and schedules, jobs, arguments, audit, people, format. Each imports only those below.
"""
