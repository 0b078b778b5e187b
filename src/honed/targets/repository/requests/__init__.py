"""Requests for review: what they are, where they stand, who lets them in, and on which forge."""
