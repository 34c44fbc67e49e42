"""Restating the past out of the DAG: the job by hand, and the sensor."""

import shutil
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from assets import build_defs, restatement
from assets.reference import key
from assets.resources import Pipeline
from ft_emissions_pipeline import reference, store
from ft_emissions_pipeline.tables import INFERENCE_IMPACTS, RESTATEMENTS, RUN_FACTORS
from test_dag import Team, changed_reference, day, small_landing
