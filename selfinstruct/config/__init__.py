"""The configuration of a run: a YAML file becomes a `RunConfig`, and a configured name becomes an object."""
