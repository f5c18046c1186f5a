import re

import pytest

from headwater.cli.values import text_of
from headwater.core.errors import OperatorError


@pytest.mark.parametrize(
    ("name", "said"),
    [
        pytest.param("nothing", "No such file or directory", id="not there"),
        pytest.param(".", "Is a directory", id="a folder"),
        pytest.param("latin1", r"it is not UTF-8 \(.*0xe9 in position 3.*\)", id="other text"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_once_and_why(tmp_path, name, said):
    (tmp_path / "latin1").write_bytes("café".encode("latin-1"))
    file = str(tmp_path / name)

    expected = rf"--file '{re.escape(file)}' cannot be read: {said}"
    with pytest.raises(OperatorError, match=rf"\A{expected}\Z"):
        text_of("--file", file)


def test_a_file_is_read_as_utf_8(tmp_path):
    (tmp_path / "policy").write_text("café", encoding="utf-8")

    assert text_of("--file", str(tmp_path / "policy")) == "café"
