"""Where code runs that nobody has read: in namespaces of its own, within limits, or not at all."""
