"""Estimates: where the planner expects the wrong number of rows, and what puts it right."""
