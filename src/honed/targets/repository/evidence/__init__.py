"""What is known of a repository: its tests, exceptions, queries, and what was tried before."""
