"""A forge that is none: its state, its rules and three dialects, on a real HTTP server.

It is for tests of what speaks to forges. It is no mock: requests go over a socket, and it answers
as the vendors' documents say (``routes.toml``), refusals included.
"""
