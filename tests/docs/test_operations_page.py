import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_committed_page_is_current():
    page = runpy.run_path(str(ROOT / "scripts" / "operations_page.py"))["page"]

    committed = (ROOT / "docs" / "reference" / "operations.md").read_text()
    assert committed == page(), "run `make docs`"
