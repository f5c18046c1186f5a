import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def page():
    return runpy.run_path(str(ROOT / "scripts" / "operations_page.py"))["page"]()


def test_the_committed_page_is_current(page):
    committed = (ROOT / "docs" / "reference" / "operations.md").read_text()
    assert committed == page, "run `make docs`"


def test_every_operation_has_tests(page):
    assert [line for line in page.splitlines() if line.endswith("| none |")] == []
