"""PostgreSQL databases as targets: the reading side, and the lab where changes are tried."""
