import zoneinfo
from pathlib import Path

import pytest

from headwater.core.countries import COUNTRIES


def test_there_are_249_codes_of_two_capital_letters():
    assert len(COUNTRIES) == 249
    assert all(len(code) == 2 and code.isascii() and code.isupper() for code in COUNTRIES)


def test_the_codes_are_those_that_the_time_zone_database_knows():
    tables = [table for path in zoneinfo.TZPATH if (table := Path(path, "iso3166.tab")).exists()]
    if not tables:
        pytest.skip("this system has no time zone database")
    lines = tables[0].read_text().splitlines()

    assert {line[:2] for line in lines if not line.startswith("#")} == COUNTRIES
