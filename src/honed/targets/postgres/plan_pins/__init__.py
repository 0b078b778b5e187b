"""Plan pins: bringing back the plan that a statement had while it was fast."""
