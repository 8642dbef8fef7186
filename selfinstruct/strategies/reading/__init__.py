"""Parses what a teacher wrote: lists, blocks, loose JSON."""
