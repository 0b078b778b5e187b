"""honed: the daemon that hones your software and proves each improvement by experiment."""

__version__ = "0.1.0"
