"""Parsers for what a teacher wrote: numbered lists, blocks of named fields, and loose JSON; used by the strategies."""
