"""The embedded teacher: llama.cpp on this machine, the model catalog, and the download of weights."""
