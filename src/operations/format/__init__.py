"""Values as text and JSON: instants, periods, list filters, bodies of requests, valid JSON. Imports no other district."""
