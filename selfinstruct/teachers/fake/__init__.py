"""A fake teacher for tests and rehearsals, in process (`teacher`) or behind an HTTP server (`fake_server`)."""
