"""Batches of writers: how many rows they send at once, and what a row then costs."""
