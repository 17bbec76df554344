"""The one ending: how a job leaves `running` or reaches a final state, and all that follows from it.

Imports every district below; no other district repeats a part of it.
"""
