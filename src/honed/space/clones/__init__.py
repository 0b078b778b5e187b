"""The same code more than once: equal, equal but for names and constants, or nearly equal."""
