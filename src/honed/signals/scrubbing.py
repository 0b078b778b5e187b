"""The one place where the intake gets its scrubber."""

import importlib

from honed.signals.rows import Scrubs


def open_scrubber(key: bytes) -> Scrubs:
    """Return what replaces personal data and secrets by tokens that are keyed with ``key``."""
    privacy = importlib.import_module("honed.core.privacy")
    scrubber: Scrubs = privacy.Scrubber(key)
    return scrubber
