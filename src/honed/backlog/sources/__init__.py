"""Sources of tickets, one file each; outside packages add theirs by this name as entry point."""
