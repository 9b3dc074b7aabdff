"""The suite; it mirrors `agwtwisted`."""

import os

from hypothesis import HealthCheck, settings

EXAMPLES = int(os.environ.get("AGW_EXAMPLES", "0"))
"""How many examples each property test is tried with, chosen at random; 0: the usual number, the same in every run."""

# Property tests are judged by what comes out, not by how busy the machine is, and a run by what was changed.
settings.register_profile(
    "agwtwisted",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=not EXAMPLES,
    max_examples=EXAMPLES or settings.default.max_examples,
)
settings.load_profile("agwtwisted")
