"""Values passed between packages, exceptions, and the tokenizer. Every other package may import this one."""
