"""Who says yes: a policy for what is safe, a person for the rest, and always to exact bytes."""
