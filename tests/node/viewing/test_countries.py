import os

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from headwater.core.errors import OperatorError
from headwater.node.viewing.countries import CountryDatabase

MAXMIND = {"country": {"iso_code": "DE", "names": {"en": "Germany"}}, "registered_country": {"iso_code": "US"}}  # fmt: skip
RECORDS = [
    ("MaxMind, DB-IP",     MAXMIND, "DE"),
    ("IPinfo",             {"country": "Germany", "country_code": "DE"}, "DE"),
    ("IPinfo, older",      {"country": "DE", "country_name": "Germany"}, "DE"),
    ("no country",         {"continent": {"code": "EU"}}, None),
    ("registered alone",   {"registered_country": {"iso_code": "US"}}, None),
    ("empty",              {}, None),
    ("country without code", {"country": {"names": {"en": "x"}}}, None),
    ("code of three",      {"country": {"iso_code": "DEU"}}, None),
    ("code a number",      {"country": {"iso_code": 7}}, None),
    ("text alone",         "DE", None),
]  # fmt: skip


def write(path, record=MAXMIND, version=6, networks=("203.0.113.0/24", "2001:470::/32")):
    writer = MMDBWriter(ip_version=version, ipv4_compatible=version == 6, database_type="Test")
    writer.insert_network(
        IPSet([each for each in networks if version == 6 or ":" not in each]), record
    )
    beside = path.with_suffix(".new")
    writer.to_db_file(str(beside))
    beside.replace(path)
    return CountryDatabase(str(path))


@pytest.mark.parametrize(
    ("record", "code"), [row[1:] for row in RECORDS], ids=[row[0] for row in RECORDS]
)
def test_the_country_of_an_address_is_found_in_every_vendors_form(tmp_path, record, code):
    assert write(tmp_path / "c.mmdb", record).country("203.0.113.5") == code


ADDRESSES = [
    ("203.0.113.5", "DE"),
    ("2001:470::5", "DE"),
    ("[2001:470::5]", "DE"),
    ("::ffff:203.0.113.5", "DE"),
    ("198.51.100.1", None),
    ("2001:db8::1", None),
    ("fe80::1%eth0", None),
    ("", None),
    ("localhost", None),
    ("203.0.113.5:80", None),
]  # fmt: skip


@pytest.mark.parametrize(("address", "code"), ADDRESSES)
def test_whoever_is_not_in_the_database_is_nowhere(tmp_path, address, code):
    assert write(tmp_path / "c.mmdb").country(address) == code


def test_an_ipv6_address_is_nowhere_in_a_database_of_ipv4(tmp_path):
    countries = write(tmp_path / "c.mmdb", version=4)
    assert countries.country("203.0.113.5") == "DE"
    assert countries.country("2001:470::5") is None


def test_without_a_file_everybody_is_nowhere():
    countries = CountryDatabase("")
    assert countries.country("203.0.113.5") is None
    assert not countries.reload_if_changed()


def bad_files(path):
    write(path / "good.mmdb")
    good = (path / "good.mmdb").read_bytes()
    yield "missing", None
    yield "empty", b""
    yield "text", b"country,network\nDE,203.0.113.0/24\n"
    yield "metadata cut", good[:-20]
    yield "metadata alone", good[good.rindex(b"\xab\xcd\xefMaxMind.com") :]
    yield "not a map", b"\0" * 100 + b"\xab\xcd\xefMaxMind.com\x41a"


def test_a_file_that_cannot_be_used_is_refused_by_the_settings_name(tmp_path):
    for name, content in bad_files(tmp_path):
        path = tmp_path / f"{name}.mmdb"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(OperatorError) as caught:
            CountryDatabase(str(path))
        reason = (
            "No such file or directory"
            if content is None
            else "is not a database in MaxMind's format"
        )
        assert str(caught.value) == f"playback.country_database_file = {str(path)!r}: {reason}", (
            name
        )
    with pytest.raises(OperatorError, match="Is a directory"):
        CountryDatabase(str(tmp_path))


def test_a_file_cut_anywhere_is_refused_or_read_and_nothing_else_goes_wrong(tmp_path):
    path = tmp_path / "c.mmdb"
    write(path)
    whole = path.read_bytes()
    for size in range(0, len(whole), 97):
        path.write_bytes(whole[:size])
        with pytest.raises(OperatorError):
            CountryDatabase(str(path))


def test_a_damaged_record_makes_its_address_unknown(tmp_path):
    path = tmp_path / "c.mmdb"
    write(path)
    whole = bytearray(path.read_bytes())
    place = whole.index(b"country")
    for value in range(0, 256, 5):
        whole[place - 1] = value
        path.write_bytes(whole)
        try:
            countries = CountryDatabase(str(path))
        except OperatorError:
            continue
        assert countries.country("203.0.113.5") in {None, "DE"}


def test_a_changed_file_is_read_and_a_broken_one_leaves_the_old_in_force(tmp_path):
    path = tmp_path / "c.mmdb"
    countries = write(path)
    assert countries.country("203.0.113.5") == "DE"
    assert not countries.reload_if_changed()

    write(path, {"country": {"iso_code": "FR"}})
    assert countries.country("203.0.113.5") == "DE"
    assert countries.reload_if_changed()
    assert countries.country("203.0.113.5") == "FR"

    path.write_bytes(b"half")
    assert not countries.reload_if_changed()
    assert countries.country("203.0.113.5") == "FR"
    path.unlink()
    assert not countries.reload_if_changed()
    assert countries.country("203.0.113.5") == "FR"

    write(path, {"country": {"iso_code": "JP"}})
    os.utime(path)
    assert countries.reload_if_changed()
    assert countries.country("203.0.113.5") == "JP"


def test_a_file_that_is_far_too_large_is_not_read(tmp_path):
    path = tmp_path / "c.mmdb"
    with path.open("wb") as file:
        file.truncate((1 << 30) + 1)
    with pytest.raises(OperatorError, match="has more than 1073741824 bytes"):
        CountryDatabase(str(path))
