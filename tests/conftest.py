"""What all tests share."""

import importlib.util

from hypothesis import settings

# These need the dependency group `trainer`.
collect_ignore = (
    []
    if all(map(importlib.util.find_spec, ("torch", "transformers")))
    else ["benchmarks/test_gpu_campaign_live.py"]
)

# Machines differ in speed; a slow example is no wrong one. Speed is measured in benchmarks/.
settings.register_profile("project", deadline=None)
settings.load_profile("project")
