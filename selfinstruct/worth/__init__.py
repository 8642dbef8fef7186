"""Which of two datasets is better: what a blind reading of both shows, and when enough has been read."""
