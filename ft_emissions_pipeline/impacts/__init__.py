"""The footprint of a run."""
