"""The words of honed: the values that every other package speaks in. No input, no output."""
