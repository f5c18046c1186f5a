import pytest

from headwater.core.errors import OperatorError
from headwater.core.secret import Secret
from headwater.publisher.encoder import parse_url

UNUSABLE = [
    # id,             url
    ("empty",         ""),
    ("http",          "http://host/app/key"),
    ("no host",       "rtmp:///app/key"),
    ("no stream key", "rtmp://host/app"),
    ("bad port",      "rtmp://host:port/app/key"),
    ("port 0",        "rtmp://host:0/app/key"),
]  # fmt: skip


@pytest.mark.parametrize("url", [row[1] for row in UNUSABLE], ids=[row[0] for row in UNUSABLE])
def test_an_unusable_url_is_refused_without_repeating_it(url):
    with pytest.raises(OperatorError) as refused:
        parse_url(Secret(url))

    assert "key>" in str(refused.value)
    assert not url or url not in str(refused.value)


@pytest.mark.parametrize("url", ["rtmp://host/app/key", "rtmps://[::1]:443/app/sk_key?x=1"])
def test_usable_urls_pass(url):
    assert parse_url(Secret(url)).hostname in ("host", "::1")
