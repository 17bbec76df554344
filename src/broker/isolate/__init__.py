"""Child processes of isolated attempts: the pool of a worker, its fork server, the child itself.

Imports the districts below it; a child runs its attempt by `execute`.
"""
