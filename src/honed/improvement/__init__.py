"""An improvement: the row that history, approvals, outcome and provenance hang on."""
