import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "headwater"


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(ROOT / "scripts" / "errors_page.py"))


def test_the_committed_page_is_current(script):
    committed = (ROOT / "docs" / "reference" / "errors.md").read_text()
    assert committed == script["page"](), "run `make docs`"


def test_every_error_that_is_raised_has_a_row(script):
    rows = script["page"]()
    for error in script["_classes"](script["ApiError"]):
        assert f"| {error.code} | {int(error.status)} |" in rows


def test_what_the_page_calls_not_sent_is_raised_nowhere(script):
    code = "".join(
        path.read_text()
        for folder in ("api", "node", "store")
        for path in (SOURCE / folder).rglob("*.py")
        if path != SOURCE / "api" / "errors.py"
    )
    for error in script["_classes"](script["ApiError"]):
        assert (error.__name__ not in code) == (error.code in script["UNUSED"]), error
