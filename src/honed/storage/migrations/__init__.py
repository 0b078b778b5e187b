"""The migrations of the schema honed, one SQL file each, applied in the order of their names."""
