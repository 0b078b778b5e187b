"""Plug-ins that propose changes of code."""
