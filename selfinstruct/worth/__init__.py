"""How good datasets are, and which is better: what a blind reading shows, and when enough has been read."""
