"""The `selfinstruct` command: parse, call, print; one file per command."""
