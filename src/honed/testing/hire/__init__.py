"""A service that lets bikes, with twenty planted faults, and a stage on which they are met.

It exists as text, and as a repository of git with a history where it is planted.
"""
