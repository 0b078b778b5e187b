"""Property tests draw the same examples on every run, so that a red build can be seen again."""

from hypothesis import settings

settings.register_profile("reproducible", derandomize=True, deadline=None)
settings.load_profile("reproducible")
