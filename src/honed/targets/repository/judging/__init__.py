"""Judging a change: what runs its tests, who proposes, and every gate in its order."""
