"""The table of cases is complete, and each row's tests are where it says."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "encoders.md").read_text()
ROWS = re.findall(r"^\| (R-\w+) \|.*\| ([^|]*) \|$", PAGE, re.MULTILINE)
WITHOUT_TESTS = {"R-9"}


def test_every_case_has_one_row():
    expected = {f"R-{number}" for number in range(1, 72)} | {"R-45b", "R-60b"}

    assert len(ROWS) == len(expected)
    assert {case for case, _ in ROWS} == expected


@pytest.mark.parametrize(("case", "tests"), ROWS, ids=[case for case, _ in ROWS])
def test_a_row_names_tests_that_carry_its_number(case, tests):
    files = re.findall(r"`(.+?)`", tests)
    for file in files:
        assert re.search(rf"{case}\b", (ROOT / file).read_text()), file

    assert bool(files) == (case not in WITHOUT_TESTS)
