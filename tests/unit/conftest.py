"""What every unit test shares: hypothesis with a few good examples and no stop-watch."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "unit",
    deadline=None,  # a busy machine is no failure
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("unit")
