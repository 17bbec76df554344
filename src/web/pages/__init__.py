"""The pages, a module and a template folder per noun. A view parses, calls one operation, renders."""
