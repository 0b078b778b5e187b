"""Vacuuming: which tables dead rows make dear, and what lets them lie."""
