"""What happens when a run fails: an example to make your own.

Put here: the sensor of failed runs. Keep out: faults of the machine in words
(`ft_emissions_pipeline/warehouse/faults.py`).
"""

import json
import urllib.request

import dagster as dg

WEBHOOK = "FT_EMISSIONS_FAILURE_WEBHOOK"
"""Environment variable of the address to which the sensor posts `{"text": ...}`, as chats take it.

Empty, the sensor writes to Dagster's own log.
"""


@dg.run_failure_sensor(
    name="failed_runs",
    default_status=dg.DefaultSensorStatus.STOPPED,
    description=f"Off until switched on here: tells of a failed run, at {WEBHOOK} if it is set.",
)
def sensor(context: dg.RunFailureSensorContext) -> None:
    """Tell which job failed and why."""
    first, _, _ = context.failure_event.message.partition("\n")
    text = f"{context.dagster_run.job_name} failed: {first}"
    address = dg.EnvVar(WEBHOOK).get_value()
    if address is None:
        context.log.error("%s", text)
        return
    request = urllib.request.Request(
        address, json.dumps({"text": text}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10):
        pass
