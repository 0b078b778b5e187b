"""What users mean by what they say: whether they are content, and what of."""
