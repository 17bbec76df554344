"""From an actor's signature to a form, and from what a browser sends back to arguments.

fields.py turns the JSON Schema of a parameter into a Field; reading.py turns the texts of a request into values; places.py finds
the input that a complaint is about; how.py is what every form has below its own: when, how urgent. Whether the values fit is not decided here: src/broker/signature.py does that for forms, API and command alike.
"""
