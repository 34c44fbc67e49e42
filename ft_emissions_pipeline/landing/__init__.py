"""From files to the runs, usage, telemetry and events of a day."""
