"""What runs in the sandbox: standard library and pytest only."""
