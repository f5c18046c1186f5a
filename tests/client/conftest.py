import os

import pytest

from client.stand_in import running_site


@pytest.fixture(autouse=True)
def no_aws_settings(monkeypatch, tmp_path):
    """Nothing of the machine's own AWS settings is seen."""
    for name in os.environ:
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


@pytest.fixture
def site():
    with running_site() as site:
        yield site
