"""The footprint of a run.

footprint.py    energy, carbon and water of each run, with interval and quality
inputs.py       the uncertain inputs: names, widths, what runs share
monte_carlo.py  the check by draws
"""
