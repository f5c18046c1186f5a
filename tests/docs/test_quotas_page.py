import runpy
from pathlib import Path

import pytest

from headwater.node.sections import QuotaSettings

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def page():
    return runpy.run_path(str(ROOT / "scripts" / "quotas_page.py"))["page"]()


def test_the_committed_page_is_current(page):
    committed = (ROOT / "docs" / "reference" / "quotas.md").read_text()
    assert committed == page, "run `make docs`"


def test_every_setting_of_a_number_has_a_row(page):
    for name in QuotaSettings.__struct_fields__:
        if name not in {"profile", "call_rates"}:
            assert f"| `{name}` |" in page
