"""Terraform with HashiCorp's AWS provider, where both are on this machine."""

import shutil
from pathlib import Path

import pytest

MIRRORS = ("/usr/share/terraform", "/usr/local/share/terraform", "/opt")
"""Where machines without a way to the provider registry have a folder of providers."""


def terraform_environment(folder: Path) -> dict[str, str]:
    """The variables with which `terraform init` finds the provider; else the test skips."""
    if shutil.which("terraform") is None:
        pytest.skip("terraform is missing")
    found = [path for mirror in MIRRORS for path in Path(mirror).glob("*/*/hashicorp/aws")]
    if not found:
        pytest.skip("no folder of providers has hashicorp/aws")
    settings = folder / "terraform.rc"
    mirror = found[0].parents[2]
    settings.write_text(
        f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n'
    )
    return {
        "TF_CLI_CONFIG_FILE": str(settings),
        "TF_CLI_ARGS": "-no-color",
        "TF_IN_AUTOMATION": "1",
        "GOGC": "400",  # memory for processor time: a third less for the same work
        "CHECKPOINT_DISABLE": "1",
    }
