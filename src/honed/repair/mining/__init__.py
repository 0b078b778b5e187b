"""Templates that are mined from changes that people made: patterns, where they come from, words."""
