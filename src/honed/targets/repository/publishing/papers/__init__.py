"""The documents that tell of a change: a changelog, a news fragment, what quotes a requirement."""
