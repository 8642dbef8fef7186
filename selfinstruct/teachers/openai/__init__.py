"""Teachers that speak OpenAI's HTTP API."""
