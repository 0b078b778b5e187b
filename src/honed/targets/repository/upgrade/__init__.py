"""Newer releases of what a repository is built on."""
