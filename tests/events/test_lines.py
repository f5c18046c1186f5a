import pytest

from headwater.core.errors import PeerError
from headwater.events.lines import OLD_FILES, append_line


@pytest.fixture
def file(tmp_path):
    return tmp_path / "events" / "a.jsonl"


def test_lines_stand_in_the_order_of_writing_in_a_file_of_its_owner(file):
    for line in (b'{"n":1}', b'{"n":2}'):
        append_line(file, line, max_bytes=1000)

    assert file.read_bytes() == b'{"n":1}\n{"n":2}\n'
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_a_file_that_is_full_makes_room_and_the_oldest_goes(file):
    for number in range(20):
        append_line(file, b"%04d" % number, max_bytes=10)  # two lines

    names = sorted(each.name for each in file.parent.iterdir())
    assert names == ["a.jsonl", *(f"a.jsonl.{number}" for number in range(1, OLD_FILES + 1))]
    assert file.read_bytes() == b"0018\n0019\n"
    assert file.with_name("a.jsonl.5").read_bytes() == b"0008\n0009\n"


@pytest.mark.parametrize("whole", [b"", b"one\n"], ids=["alone", "behind-others"])
def test_a_line_that_a_crash_cut_off_is_removed(file, whole):
    file.parent.mkdir()
    file.write_bytes(whole + b'{"half')
    append_line(file, b"next", max_bytes=1000)

    assert file.read_bytes() == whole + b"next\n"


def test_a_link_that_leads_elsewhere_is_not_followed(file, tmp_path):
    file.parent.mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"kept\n")
    file.symlink_to(elsewhere)

    with pytest.raises(PeerError, match="cannot be written"):
        append_line(file, b"x", max_bytes=1000)
    assert elsewhere.read_bytes() == b"kept\n"


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(PeerError, match="cannot be written: "):
        append_line(tmp_path / "file" / "a.jsonl", b"x", max_bytes=1000)
