"""Questions about passages of documents."""
