"""The embedded teacher: llama.cpp on this machine, its catalogue and weights."""
