"""Turns a YAML file into a `RunConfig`, and a name into an object."""
