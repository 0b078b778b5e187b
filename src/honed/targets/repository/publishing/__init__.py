"""From an approved change to a branch and a request, by the one that may write."""
