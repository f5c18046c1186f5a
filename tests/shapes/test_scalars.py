import re
import sys
import unicodedata

import msgspec
import pytest

from headwater.shapes.scalars import ChannelName, TagKey, TagValue


@pytest.mark.parametrize("type_", [TagKey, TagValue], ids=["key", "value"])
def test_a_tag_allows_letters_separators_numbers_and_nine_signs(type_):
    pattern = re.compile(msgspec.inspect.type_info(type_).type.pattern)
    characters = [chr(code) for code in range(sys.maxunicode + 1)]

    differing = [
        char
        for char in characters
        if bool(pattern.match(char))
        is not (unicodedata.category(char)[0] in "LZN" or char in "_.:/=+-@")
    ]

    assert differing == []


@pytest.mark.parametrize("type_", [TagKey, TagValue, ChannelName])
def test_a_pattern_must_match_to_the_very_end(type_):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert("name\n", type_)
