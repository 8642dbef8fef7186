"""Asks a teacher through batch jobs instead of live requests."""
