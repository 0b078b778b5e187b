"""The ways in: parse, call, print. Nothing is decided here."""
