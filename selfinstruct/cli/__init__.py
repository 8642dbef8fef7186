"""The `selfinstruct` command: each command parses its arguments, calls the library, and prints."""
