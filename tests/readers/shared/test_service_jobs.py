"""Jobs of managed services other than Bedrock: each fixture carries the oddity that names it."""

import json

import pandas as pd
import pytest

from ft_emissions_pipeline import reference
from ft_emissions_pipeline.readers import READERS, Settings, basis_of, read_file
from ft_emissions_pipeline.readers.scrubbing import scrubbed

JOBS = {
    "openai": "openai_job_of_three_epochs",
    "sagemaker": "sagemaker_job_of_one_whole_server",
    "vertex": "google_job_with_integers_as_strings",
    "together": "together_job_with_end_in_its_events",
    "fireworks": "fireworks_job_with_nodes_region_and_signed_urls",
    "mistral": "mistral_job_with_events_of_its_status",
}
PAGES = {
    "openai": "data", "together": "data", "mistral": "data", "vertex": "tuningJobs",
    "fireworks": "supervisedFineTuningJobs", "sagemaker": "TrainingJobs",
}  # fmt: skip
IDS = {"vertex": "name", "fireworks": "name", "sagemaker": "TrainingJobName"}


def held(run):
    """Return a run's fields that are not missing."""
    return {name: value for name, value in run.items() if pd.notna(value)}


@pytest.fixture
def job(service_file):
    """Return a service's fixture as a fresh object, with changes at its top level."""

    def changed(service, **changes):
        return {**json.loads(service_file(JOBS[service])), **changes}

    return changed


def test_openai_bills_unpadded_tokens_of_all_epochs_and_counts_the_queue(one_run, job):
    run = one_run("job.json", job("openai"))
    assert (run["tokens_unpadded"], run["repairs"]) == (5768, "queueing_included")
    assert basis_of("openai", "reserved_s") == "predicted"


def test_openai_lists_hold_automatic_epochs_preference_tuning_and_unfinished_jobs(
    read, service_file
):
    reading = read("l.json", service_file("openai_list_with_automatic_epochs_dpo_and_unfinished"))
    automatic, preferred = (row for _, row in reading.runs.iterrows())
    assert pd.isna(automatic["epochs"])
    assert preferred["epochs"] == 2
    assert preferred["method"] == "dpo"
    assert preferred["base_model"] == "gpt-4o-mini-2024-07-18"
    assert preferred["parent_version"].startswith("ft:gpt-4o-mini-2024-07-18:")
    assert reading.quarantine["source_record"].tolist() == ["3", "4", "5"]
    assert reading.quarantine["reason_code"].tolist() == [
        "not_finished",
        "failed_job",
        "failed_job",
    ]


def test_an_event_among_openai_jobs_is_refused(refusal, job):
    event = {"object": "fine_tuning.job.event", "id": "ftevent-1", "message": "Step 1"}
    page = {"object": "list", "data": [job("openai"), event]}
    code, reason = refusal("l.json", page)
    assert code == "wrong_shape"
    assert "fine_tuning.job.event" in reason


def test_azure_openai_is_told_by_its_model_names(one_run, service_file):
    run = one_run("a.json", service_file("azure_openai_job_without_organization"))
    assert (run["managed_service"], run["cloud_provider"]) == ("Azure OpenAI", "azure")
    assert run["base_model"] == "gpt-35-turbo-0125"
    assert run["tokens_unpadded"] == 12000


def test_azure_openai_goes_on_from_a_tuned_model(one_run, job):
    tuned = "gpt-4o-2024-08-06.ft-0123456789abcdef"
    run = one_run("a.json", job("openai", model=tuned, fine_tuned_model=None))
    assert (run["base_model"], run["parent_version"]) == ("gpt-4o-2024-08-06", tuned)
    assert run["managed_service"] == "Azure OpenAI"


def test_sagemaker_names_instance_region_and_time(one_run, job):
    run = one_run("job.json", job("sagemaker"))
    assert (run["instance_type"], run["cloud_region"], run["reserved_s"]) == (
        "p4d.24xlarge",
        "eu-west-1",
        7200,
    )


def test_sagemaker_takes_the_training_time_not_the_discounted_billable_time(one_run, service_file):
    run = one_run("j.json", service_file("sagemaker_job_on_two_servers_with_spot_discount"))
    assert run["reserved_s"] == 5000
    assert run["repairs"] == "spot_interruptions_left_out warm_pool_left_out"
    assert (run["instance_type"], run["gpu_count"], run["server_count"]) == ("p5.48xlarge", 16, 2)


@pytest.mark.parametrize(
    ("kind", "number", "gpus", "servers"),
    [("g5.12xlarge", 4, 16, 2.0), ("g5.12xlarge", 3, 12, 1.5), ("g6.xlarge", 2, 2, 0.25)],
)
def test_sagemaker_instances_that_share_a_server_are_counted_by_their_share(
    one_run, job, kind, number, gpus, servers
):
    resources = {"InstanceType": f"ml.{kind}", "InstanceCount": number}
    run = one_run("j.json", job("sagemaker", ResourceConfig=resources))
    assert (run["instance_type"], run["gpu_count"], run["server_count"]) == (kind, gpus, servers)
    assert pd.isna(run["repairs"])


def test_sagemaker_says_where_several_instances_cannot_be_counted(one_run, job, service_file):
    unknown = {"InstanceType": "ml.x9.12xlarge", "InstanceCount": 4}
    run = one_run("j.json", job("sagemaker", ResourceConfig=unknown))
    assert run["instance_type"] == "x9.12xlarge"
    assert run["repairs"] == "one_of_several_instances_counted"
    assert pd.isna(run.get("gpu_count"))
    run = one_run("j.json", service_file("sagemaker_job_on_instance_groups_of_two_types"))
    assert run["repairs"] == "mixed_instances_not_counted"
    assert pd.isna(run.get("instance_type"))


def test_sagemaker_groups_of_one_type_are_counted_together(one_run, job):
    groups = [{"InstanceType": "ml.p4d.24xlarge", "InstanceCount": n} for n in (1, 2)]
    run = one_run("j.json", job("sagemaker", ResourceConfig={"InstanceGroups": groups}))
    assert (run["gpu_count"], run["server_count"]) == (24, 3)


def test_sagemaker_counts_every_instance_that_the_reference_tables_know(read, job):
    known = reference.load().tables["instances"].query("provider == 'aws'")
    jobs = [
        job("sagemaker", TrainingJobName=kind,
            ResourceConfig={"InstanceType": f"ml.{kind}", "InstanceCount": 2})
        for kind in known["instance_type"]
    ]  # fmt: skip
    runs = read("j.json", jobs).runs.set_index("run_id").loc[known["instance_type"]]
    assert list(runs["gpu_count"]) == list(2 * known["gpu_count"])
    assert list(runs["server_count"]) == list(2 * known["server_share"])


def test_sagemaker_without_instances_is_a_managed_service(one_run, service_file):
    run = one_run("j.json", service_file("sagemaker_job_without_instances"))
    assert run["managed_service"] == "AWS SageMaker"
    assert run["base_model"] == "meta-textgeneration-llama-3-2-1b-instruct"
    assert (run["model_name"], run["method"]) == ("support-bot", "lora")
    assert (run["tokens_unpadded"], run["sequence_length"]) == (2_500_000, 4096)


def test_sagemaker_summaries_are_not_enough_and_say_so(read, service_file):
    reading = read("s.json", service_file("sagemaker_list_of_summaries"))
    assert reading.quarantine["reason_code"].tolist() == ["wrong_shape"] * 2
    assert reading.quarantine["reason"].str.contains("DescribeTrainingJob").all()


def test_a_users_own_words_for_epochs_are_left_out(one_run, job):
    given = {"epochs": "until it works", "model_name_or_path": "/opt/ml/input/model"}
    run = one_run("j.json", job("sagemaker", HyperParameters=given))
    assert pd.isna(run["epochs"])
    assert pd.isna(run["base_model"])


def test_google_integers_are_strings_and_billed_tokens_may_lack_epochs(one_run, job):
    run = one_run("job.json", job("vertex"))
    assert (run["samples"], run["repairs"]) == (500, "epochs_may_be_missing")
    assert basis_of("vertex", "tokens_unpadded") == "predicted"


def test_google_jobs_without_start_count_the_queue_and_one_epoch_is_no_doubt(read, service_file):
    reading = read("l.json", service_file("google_list_without_start_and_with_preference_tuning"))
    waited, preferred = (row for _, row in reading.runs.iterrows())
    assert waited["reserved_s"] == 4500
    assert waited["repairs"] == "queueing_included epochs_may_be_missing"
    assert (preferred["method"], preferred["tokens_unpadded"]) == ("dpo", 40_000)
    assert pd.isna(preferred["repairs"])
    assert reading.quarantine["reason_code"].tolist() == ["not_finished", "failed_job"]


def test_google_jobs_written_by_the_python_sdk_have_keys_in_snake_case(one_run, service_file):
    run = one_run("j.json", service_file("google_job_written_by_the_python_sdk"))
    assert (run["method"], run["tokens_unpadded"], run["samples"]) == ("full", 9000, 30)
    assert run["parent_version"] == "777@2"
    assert run["reserved_s"] == 1800


def test_together_takes_times_from_events_and_counts_padding(one_run, job):
    run = one_run("job.json", job("together"))
    assert (run["reserved_s"], run["active_s"], run["tokens_padded"]) == (4200, 3000, 1_200_000)


def test_together_lists_have_no_events_and_billed_validation_is_told(read, service_file):
    reading = read("l.json", service_file("together_list_without_events_with_validation_and_dpo"))
    plain, preferred = (row for _, row in reading.runs.iterrows())
    # From creation, not from `started_at`: that is the start of the last stage.
    assert plain["reserved_s"] == 9600
    assert plain["repairs"] == "queueing_included end_from_last_update"
    assert preferred["repairs"].endswith("validation_tokens_included")
    assert preferred["method"] == "dpo"
    assert reading.quarantine["reason_code"].tolist() == ["not_finished", "failed_job"]


def test_together_jobs_that_began_again_say_so(one_run, job):
    events = job("together")["events"]
    events.insert(3, {**events[0], "type": "job_restarted", "created_at": "2025-01-10T09:35:00Z"})
    events.insert(3, {**events[0], "type": "training_start", "created_at": "2025-01-10T09:33:00Z"})
    run = one_run("j.json", job("together", events=events))
    assert run["repairs"] == "restarts_included"
    assert run["active_s"] == 3000


def test_fireworks_tells_nodes_and_region_and_no_account(one_run, job):
    run = one_run("job.json", job("fireworks"))
    assert (run["server_count"], run["location"], run["country_iso3"]) == (2, "US-GA", "USA")


def test_fireworks_zeros_say_not_set(read, service_file):
    reading = read("l.json", service_file("fireworks_list_with_failed_and_uncounted_nodes"))
    run = reading.runs.iloc[0]
    for name in ("server_count", "lora_rank", "epochs", "tokens_unpadded", "method"):
        assert pd.isna(run.get(name)), name
    assert run["country_iso3"] == "DEU"
    assert reading.quarantine["reason_code"].tolist() == ["failed_job", "not_finished"]


@pytest.mark.parametrize(
    ("region", "location"), [("REGION_UNSPECIFIED", None), ("MARS_OLYMPUS_1", "MARS_OLYMPUS_1")]
)
def test_a_region_that_nobody_knows_keeps_its_name(one_run, job, region, location):
    run = held(one_run("j.json", job("fireworks", region=region)))
    assert run.get("location") == location
    assert "country_iso3" not in run


def test_mistral_counts_whole_steps_between_events(one_run, job):
    run = one_run("job.json", job("mistral"))
    assert (run["reserved_s"], run["tokens_padded"]) == (2000, 1_310_720)


def test_mistral_without_counts_makes_tokens_of_steps(read, service_file):
    reading = read("l.json", service_file("mistral_list_without_events_and_token_counts"))
    run = reading.runs.iloc[0]
    assert run["tokens_padded"] == 131_072 * 10
    assert run["reserved_s"] == 3600
    assert run["repairs"] == "queueing_included end_from_last_update"
    assert reading.quarantine["reason_code"].tolist() == ["failed_job", "not_finished"]


@pytest.mark.parametrize("service", JOBS)
def test_lists_lines_pages_and_pages_a_line_are_read(read, job, service):
    key = IDS.get(service, "id")
    jobs = [job(service, **{key: f"{job(service)[key]}-{n}"}) for n in range(3)]
    page = {PAGES[service]: jobs}
    for content, places in [
        (jobs, ["1", "2", "3"]),
        ("\n".join(json.dumps(each) for each in jobs), ["1", "2", "3"]),
        (page, ["1", "2", "3"]),
        (json.dumps(page) + "\n" + json.dumps({PAGES[service]: jobs[:1]}),
         ["1.1", "1.2", "1.3", "2.1"]),
    ]:  # fmt: skip
        reading = read("jobs.jsonl", content)
        assert reading.runs["run_id"].nunique() == 3
        assert reading.runs["source_record"].tolist() == places


@pytest.mark.parametrize("service", JOBS)
def test_a_broken_line_among_jobs_costs_one_record(read, job, service):
    reading = read("jobs.jsonl", json.dumps(job(service)) + '\n{"id": "x\n[]\n')
    assert len(reading.runs) == 1
    assert reading.quarantine["reason_code"].tolist() == ["broken_json", "wrong_shape"]


@pytest.mark.parametrize("service", JOBS)
def test_each_fixture_is_read_by_its_own_reader_under_any_name(tmp_path, job, service):
    path = tmp_path / "anything.json"
    path.write_text(json.dumps(job(service)))
    _, _, source_format = read_file(path, "anything.json", Settings())
    assert source_format == service
    head = path.read_bytes()
    claims = [r.FORMAT for r in READERS if r.recognises("anything.json", head)]
    # A disclosure may use any words; it is asked last.
    assert claims in ([service], [service, "disclosure"])


WHO = [
    "acme",
    "ada_",
    "ada@",
    "123456789012",
    "987654321098",
    "org-",
    "65f0a1",
    "0xabc",
    "deadbeef",
    "daf5e488",
]


def test_accounts_organisations_and_signed_addresses_appear_nowhere(read, job):
    said = []
    for service in JOBS:
        states = {"status": "failed", "state": "JOB_STATE_FAILED", "TrainingJobStatus": "Failed"}
        for content in (job(service), job(service, **states)):
            # Without the addresses of files, of which the user chose the words.
            kept = {
                k: v for k, v in content.items() if not k.endswith(("TuningSpec", "serviceAccount"))
            }
            for text in (json.dumps(kept), json.dumps(kept) + "\n" + json.dumps(kept)):
                reading = read("j.jsonl", text)
                said += [reading.runs.to_csv(), reading.quarantine.to_csv()]
    text = "".join(said)
    assert "[removed" in text
    assert [who for who in WHO if who in text] == []


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ('"metricsFileSignedUrl": "https://x.example/acme/m?sig=1"', "acme"),
        ("projects/acme-prod/locations/us-central1/tuningJobs/1", "acme-prod"),
        ("accounts/acme-corp/models/support-bot", "acme-corp"),
        ("ft:gpt-4o-mini-2024-07-18:acme-corp::9abCdEf1", "acme-corp"),
        ("s3://sagemaker-eu-west-1-123456789012/model", "123456789012"),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/train", "123456789012"),
        ("/subscriptions/01234567-89ab-cdef-0123-456789abcdef/resourceGroups", "89ab-cdef"),
        ('"organization_id": "personal-1"', "personal-1"),
        ('{"model_output_name": "ada_acme/llama-bot"}', "ada_acme"),
    ],
)
def test_owners_in_names_are_removed_once_and_for_all(text, secret):
    clean = scrubbed(text)
    assert secret not in clean
    assert clean.count("[removed") == 1
    assert (
        scrubbed("accounts/fireworks/models/llama-v3p1-8b")
        == "accounts/fireworks/models/llama-v3p1-8b"
    )


UNDISCLOSED = ("gemini-", "amazon.")


def test_the_reference_tables_know_every_service_and_every_public_model(seeds, read, service_file):
    names = [name for name in seeds if name.startswith("jobs/")]
    contents = [
        *(seeds[name] for name in names),
        service_file("bedrock_list_with_and_without_phases"),
    ]
    runs = pd.concat([read("j.json", content).runs for content in contents])
    snowflake = read("snowflake.csv", seeds["snowflake.csv"]).runs
    runs = pd.concat([runs, snowflake], ignore_index=True)
    tables = reference.load()
    services = runs["managed_service"].dropna()
    assert reference.resolve(tables, "managed_services", services)["id"].notna().all()
    assert services.nunique() == 9
    models = runs["base_model"].dropna()
    public = models[~models.str.startswith(UNDISCLOSED)]
    found = reference.resolve(tables, "models", public)["id"]
    assert public[found.isna()].tolist() == []
