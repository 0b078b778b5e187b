"""What honed may look at and change."""
