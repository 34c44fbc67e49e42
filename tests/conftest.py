"""What all tests share."""

from hypothesis import settings

# Machines differ in speed; a slow example is no wrong one. Speed is measured in benchmarks/.
settings.register_profile("project", deadline=None)
settings.load_profile("project")
