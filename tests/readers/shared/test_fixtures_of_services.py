"""The fixtures of managed services are what the services' own SDKs take: no field is made up.

The SDKs are the dependency group `sdks`; what is not installed is not collected. AWS's models know
every field and its type; the others' are asked to read the fixture, and which fields they lack.
"""

import datetime as dt
import importlib
import importlib.util
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

MANAGED_SERVICES = Path(__file__).parents[2] / "data" / "managed_services"
PAGES = ("data", "tuningJobs", "supervisedFineTuningJobs")
AWS = {
    "sagemaker_job": ("sagemaker", "DescribeTrainingJobResponse"),
    "sagemaker_list": ("sagemaker", "ListTrainingJobsResponse"),
    "bedrock_list": ("bedrock", "ListModelCustomizationJobsResponse"),
}
MODELS: dict[str, tuple[str, str]] = {
    "openai": ("openai", "openai.types.fine_tuning:FineTuningJob"),
    "google": ("google.genai", "google.genai.types:TuningJob"),
    "together_job": ("together", "together.types:FinetuneResponse"),
    "together_list": ("together", "together.types.fine_tuning_list_response:Data"),
    "fireworks": ("fireworks", "fireworks.types:SupervisedFineTuningJob"),
    "mistral_job": ("mistralai.models", "mistralai.models:CompletionDetailedJobOut"),
    "mistral_list": ("mistralai.models", "mistralai.models:CompletionJobOut"),
}
# Azure's answers are read by OpenAI's SDK, which models what both services share.
NAMES = sorted(path.stem for path in MANAGED_SERVICES.glob("*.json"))


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _of_sdks() -> list[tuple[str, str]]:
    found = []
    for name in NAMES:
        for prefix, (module, model) in MODELS.items():
            if name.removeprefix("azure_").startswith(prefix) and _installed(module):
                found.append((name, model))
    return found


def _of_aws() -> list[tuple[str, str, str]]:
    known = AWS.items() if _installed("botocore") else ()
    return [(name, *shape) for name in NAMES for kind, shape in known if name.startswith(kind)]


def _jobs(name: str) -> list[dict[str, object]]:
    document = json.loads((MANAGED_SERVICES / f"{name}.json").read_text(encoding="utf-8"))
    pages = [document[key] for key in PAGES if key in document]
    return pages[0] if pages else [document]


def _unknown_fields(value: object, place: str = "") -> Iterator[str]:
    """Name the fields that a model took without knowing them."""
    extra = getattr(value, "model_extra", None) or {}
    yield from (f"{place}.{name}" for name in extra)
    inner = getattr(value, "model_fields_set", ())
    for name in inner:
        each = getattr(value, name, None)
        for one in each if isinstance(each, list) else [each]:
            yield from _unknown_fields(one, f"{place}.{name}")


SDK_CASES = _of_sdks()
AWS_CASES = _of_aws()


def test_every_fixture_has_a_model_somewhere() -> None:
    prefixes = (*MODELS, *AWS, "azure_openai")
    assert [name for name in NAMES if not name.startswith(prefixes)] == []


if SDK_CASES:

    @pytest.mark.parametrize(("name", "model"), SDK_CASES, ids=[name for name, _ in SDK_CASES])
    def test_the_sdk_reads_the_fixture_and_knows_every_field(name: str, model: str) -> None:
        module, _, attribute = model.partition(":")
        validate: Callable[[object], object] = getattr(
            importlib.import_module(module), attribute
        ).model_validate
        for job in _jobs(name):
            assert list(_unknown_fields(validate(job))) == []


if AWS_CASES:
    import botocore.session
    from botocore.model import Shape

    SESSION = botocore.session.get_session()

    def _breaches(value: object, shape: Shape, place: str) -> Iterator[str]:
        """Name the fields that the shape lacks or types otherwise; times are ISO 8601 in JSON."""
        if shape.type_name == "structure" and isinstance(value, dict):
            for name, inner in value.items():
                if name not in shape.members:
                    yield f"{place}.{name} is unknown"
                else:
                    yield from _breaches(inner, shape.members[name], f"{place}.{name}")
        elif shape.type_name == "map" and isinstance(value, dict):
            for name, inner in value.items():
                yield from _breaches(inner, shape.value, f"{place}.{name}")
        elif shape.type_name == "list" and isinstance(value, list):
            for inner in value:
                yield from _breaches(inner, shape.member, f"{place}[]")
        elif shape.type_name == "timestamp" and isinstance(value, str):
            dt.datetime.fromisoformat(value)
        else:
            types = {"string": str, "integer": int, "long": int, "boolean": bool, "float": float}
            if not isinstance(value, types.get(shape.type_name, ())):
                yield f"{place} is no {shape.type_name}"
            allowed = shape.metadata.get("enum")
            if allowed and value not in allowed:
                yield f"{place} is {value!r}, not one of its values"

    @pytest.mark.parametrize(
        ("name", "service", "shape"), AWS_CASES, ids=[name for name, _, _ in AWS_CASES]
    )
    def test_aws_declares_every_field_of_the_fixture(name: str, service: str, shape: str) -> None:
        declared = SESSION.get_service_model(service).shape_for(shape)
        document = json.loads((MANAGED_SERVICES / f"{name}.json").read_text(encoding="utf-8"))
        assert list(_breaches(document, declared, name)) == []
