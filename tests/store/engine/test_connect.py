import traceback

import pytest

from headwater.core.errors import OperatorError
from headwater.store import Store

URLS = [
    # id,             url,                                says
    ("no url",        "headwater.db",                     "cannot be read; use sqlite:///<file> or"),
    ("another kind",  "mysql://me:hush@host/db",          "begins with mysql:, use sqlite:///"),
    ("a driver",      "postgresql+psycopg://me:hush@h/d", "begins with postgresql.psycopg:, use"),
    ("bad port",      "sqlite://me:hush@host:port/db",    "use sqlite:///<file>"),
    ("unknown",       "nosuch://me:hush@host/db",         "begins with nosuch:, use sqlite:///"),
    ("memory",        "sqlite://",                        "must name a file and no options"),
    ("named memory",  "sqlite:///:memory:",               "must name a file and no options"),
    ("two slashes",   "sqlite://data/headwater.db",       "must name a file and no options"),
    ("options",       "sqlite:///headwater.db?mode=ro",   "must name a file and no options"),
    ("no database",   "postgresql://me:hush@host",        "must name a database"),
    ("odd option",    "postgresql://me:hush@h/db?q=hush", "the unknown option q; known are host, port"),
    ("password there", "postgresql://h/db?password=hush", "the unknown option password; known are"),
    ("no certificate", "postgresql://h/d?sslrootcert=no.pem", "sslrootcert names no file: no.pem"),
]  # fmt: skip


@pytest.mark.parametrize(("url", "says"), [row[1:] for row in URLS], ids=[row[0] for row in URLS])
async def test_other_urls_are_refused_without_showing_a_password(url, says):
    with pytest.raises(OperatorError, match=says) as caught:
        await Store.open(url)
    assert "hush" not in "".join(traceback.format_exception(caught.value))
