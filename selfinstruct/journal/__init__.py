"""A run on disk: its SQLite file, its folder, and all SQL that reads it."""
