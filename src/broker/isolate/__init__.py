"""Child processes of isolated attempts: the pool of a worker, its fork server, the child itself.

Imports the districts below it; a child carries its attempt out by `execute`.
"""
