"""Operations shared by pages, API and terminal: read a request, check permission, call, build the document, audit.

The law of this room: it knows neither Flask nor click, and opens a session only to look up the caller.
From top to bottom: fleet, workflows, schedules and failures, jobs, arguments, audit, people, format. Each imports only those below.
"""
