"""Language models: asked within a budget, answered in a checked form, recorded to be replayed."""
