"""Settings of sessions: which values serve the workload of one role, or of one database."""
