from urllib.parse import quote

import pytest

from auth.signing import TAG_ARN
from headwater.auth.canonical import (
    canonical_headers,
    canonical_path,
    canonical_query,
    header_values,
)


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("/CreateChannel", "/CreateChannel"),
        ("/a b", "/a%2520b"),
        ("", "/"),
        (f"/tags/{TAG_ARN}", "/tags/" + quote(quote(TAG_ARN, safe=""), safe="")),
    ],
    ids=["plain", "space", "empty", "tag route"],
)
def test_encodes_each_path_segment_twice(path, canonical):
    assert canonical_path(path) == canonical


def test_keeps_both_of_a_repeated_query_name():
    assert canonical_query("tagKeys=b%20c&tagKeys=a&x") == "tagKeys=a&tagKeys=b%20c&x="


def test_headers_are_trimmed_and_joined_and_a_missing_one_is_empty():
    values = header_values([("b", " one   two\t"), ("a", "x"), ("b", "three")])

    assert canonical_headers(values, ("a", "b", "c")) == "a:x\nb:one two,three\nc:\n"
