"""One start of a run: from a configuration to finished records."""
