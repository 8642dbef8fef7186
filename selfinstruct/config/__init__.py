"""Turns a YAML file into a `RunConfig`, and a configured name into an object."""
