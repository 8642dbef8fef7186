"""Parsers for what a teacher wrote: numbered lists, blocks of named fields, loose JSON, and yes or no."""
