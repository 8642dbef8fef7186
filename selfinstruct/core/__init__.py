"""Values passed between packages, the exceptions, tokens: what every other package may import."""
