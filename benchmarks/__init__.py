"""Benchmarks: run one with `python -m benchmarks.NAME`. README.md says what each one compares."""
