"""Landing folders whose files a test names."""

import json

import pytest


@pytest.fixture
def laid_out(tmp_path):
    """Return a function that writes files, by place: text as it is, all else as JSON."""

    def lay_out(files):
        for uri, content in files.items():
            path = tmp_path / uri
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        return tmp_path

    return lay_out
