"""Asks a teacher through batch jobs."""
