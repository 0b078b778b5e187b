"""A captured exception becomes a test that fails in the same way, or one knows why not."""
