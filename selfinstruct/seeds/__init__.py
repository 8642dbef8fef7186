"""Inputs: seed tasks read from files of any format, and the starter files that `init` writes."""
