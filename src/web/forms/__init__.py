"""From an actor's signature to a form, and from what a browser sends back to arguments.

fields.py turns the JSON Schema of a parameter into a Field; reading.py turns the texts of a request into values; places.py finds
the input that a complaint is about; how.py is what every form has below its own: when, how urgent. Whether the values fit is not decided here: src/broker/signature.py does that for forms, API and command alike.
"""

from src.web.forms.edit import EditForm
from src.web.forms.field import Choice, Field, Kind, every
from src.web.forms.fields import fields_of
from src.web.forms.form import Form
from src.web.forms.reading import Reading, read

__all__ = ["Choice", "EditForm", "Field", "Form", "Kind", "Reading", "every", "fields_of", "read"]
