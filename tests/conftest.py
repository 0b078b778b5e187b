"""What every test has: real PostgreSQL, and an environment without honed's own settings."""

import os

from hypothesis import HealthCheck, settings

# The same examples each time, as in CI; and no limit of time, which a busy machine breaks.
settings.register_profile(
    "honed", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("honed")

pytest_plugins = [
    "honed.testing.postgres",
    "honed.testing.improvements",
    "honed.testing.desk",
    "honed.testing.commandline",
    "honed.testing.pets",
    "honed.testing.worlds",
    "honed.testing.pair",
    "honed.testing.intake",
]

for _name in [name for name in os.environ if name.startswith(("HONED_", "PG"))]:
    del os.environ[_name]
