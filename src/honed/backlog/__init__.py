"""The backlog: findings that wait, in the order in which they pay, and what was tried on each."""
