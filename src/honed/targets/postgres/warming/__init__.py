"""Warming a server's memory after it was started: what to read, and what that spares."""
