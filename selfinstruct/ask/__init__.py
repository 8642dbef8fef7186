"""One request, paid for once: recall the answer, or choose a teacher, wait, reserve, send, and commit."""
