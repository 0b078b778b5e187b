"""Changes that keep what code does: each says why it may, and refuses where that is not clear."""
