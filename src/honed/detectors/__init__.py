"""Plug-ins: ways to see that a series is not as it was. One file each; they only open findings."""
