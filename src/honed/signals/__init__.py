"""Signals on their way into the store: scrubbed, bounded, grouped, counted, kept for a while."""
