"""One request, paid for once: recall, choose a teacher, wait, reserve, send, commit."""
