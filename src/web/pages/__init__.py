"""The pages people see: a module and a template folder per noun. A view parses, calls one door, renders."""
