"""A teacher for tests and rehearsals, in process or as an HTTP server."""
