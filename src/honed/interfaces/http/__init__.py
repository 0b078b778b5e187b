"""The way in over HTTP: one guarded server, which every part of the API and every page joins."""
