"""What can be configured, part by part; ``honed.config`` puts them together and reads them."""
