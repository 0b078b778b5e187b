"""What `honed doctor` looks at: the machine, the store, the targets."""
