"""A run that failed is told where the setting says."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import dagster as dg
import pytest

from assets import failures


@dg.job
def broken():
    @dg.op
    def breaks():
        msg = "the disk is full"
        raise OSError(msg)

    breaks()


@pytest.fixture
def posted(monkeypatch):
    """What was posted to the address of the setting."""
    told = []

    class Chat(BaseHTTPRequestHandler):
        def do_POST(self):
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Chat) as server:
        monkeypatch.setenv(failures.WEBHOOK, f"http://127.0.0.1:{server.server_port}/hook")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield told
        server.shutdown()
        thread.join()


def told_of(instance):
    result = broken.execute_in_process(instance=instance, raise_on_error=False)
    context = dg.build_run_status_sensor_context(
        sensor_name="failed_runs",
        dagster_instance=instance,
        dagster_run=result.dagster_run,
        dagster_event=result.get_run_failure_event(),
    )
    failures.sensor(context.for_run_failure())


def test_a_failed_run_is_posted_with_its_job_and_why(posted):
    with dg.DagsterInstance.ephemeral() as instance:
        told_of(instance)
    (message,) = posted
    assert message["text"].startswith("broken failed: ")
    assert "breaks" in message["text"]


def test_without_an_address_nothing_is_posted(posted, monkeypatch):
    monkeypatch.delenv(failures.WEBHOOK)
    with dg.DagsterInstance.ephemeral() as instance:
        told_of(instance)
    assert posted == []
