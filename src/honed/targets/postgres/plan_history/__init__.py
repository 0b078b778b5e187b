"""The history of plans: which one a statement had when, and what the planner knew then."""
