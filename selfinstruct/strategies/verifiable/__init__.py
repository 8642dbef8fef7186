"""Tasks that a program draws and words, and whose answers a program checks."""
