"""Scripts that run inside a box: of the standard library alone, they never import honed."""
