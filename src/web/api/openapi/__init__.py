"""The OpenAPI document. Imports the routes, whose bodies it describes."""
