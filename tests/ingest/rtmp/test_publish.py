import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.core.errors import LimitError, PeerError
from headwater.core.secret import Secret
from headwater.ingest.rtmp.publish import publish_request

KEY = "sk_us-west-2_Ab.c-D_e"
URL = "rtmps://localhost:443/app"

ASKED = [
    # id,                        app,                 tcUrl,   name,                         app,     parameters
    ("plain",                    "app",               URL,     KEY,                          "app",   {}),
    ("trailing slash",           "app/",              URL,     f"{KEY}/",                    "app",   {}),
    ("spaces and quotes",        " 'app' ",           URL,     f' "{KEY}"\n',                "app",   {}),
    ("percent-escapes",          "app",               URL,     KEY.replace("_", "%5F"),      "app",   {}),
    ("R-37 query on the key",    "app",               URL,     f"{KEY}?priority=3",          "app",   {"priority": "3"}),
    ("slash before the query",   "app",               URL,     f"{KEY}/?a=1&b=%202&c",       "app",   {"a": "1", "b": " 2", "c": ""}),
    ("query twice",              "app",               URL,     f"{KEY}?a=1?b=2",             "app",   {"a": "1", "b": "2"}),
    ("query on the app",         "app?priority=3",    URL,     KEY,                          "app",   {"priority": "3"}),
    ("query on both",            "app?a=1&b=2",       URL,     f"{KEY}?a=9",                 "app",   {"a": "9", "b": "2"}),
    ("key in the app",           f"app/{KEY}",        URL,     "",                           "app",   {}),
    ("key in the app, query",    f"app/{KEY}?a=1",    URL,     "",                           "app",   {"a": "1"}),
    ("key in both",              f"app/{KEY}",        URL,     KEY,                          "app",   {}),
    ("app before the key",       "app",               URL,     f"app/{KEY}",                 "app",   {}),
    ("whole URL as key",         "app",               URL,     f"{URL}/{KEY}?a=1",           "app",   {"a": "1"}),
    ("whole URL as app",         f"{URL}/",           URL,     KEY,                          "app",   {}),
    ("app empty",                "",                  "",      KEY,                          "",      {}),
    ("app from tcUrl",           "",                  URL,     KEY,                          "app",   {}),
    ("app with slashes",         "app/instance",      URL,     KEY,                          "app/instance", {}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("app", "tc_url", "name", "clean_app", "parameters"),
    [row[1:] for row in ASKED],
    ids=[row[0] for row in ASKED],
)
def test_the_key_is_found_wherever_it_was_pasted(app, tc_url, name, clean_app, parameters):
    request = publish_request(app=app, tc_url=tc_url, name=name)

    assert request.stream_key == Secret(KEY)
    assert request.app == clean_app
    assert request.parameters == parameters


REJECTED = [
    # id,                app,         name,                       error,      says
    ("no key",           "app",       "",                         PeerError,  "no stream key"),
    ("only slashes",     "app",       "//",                       PeerError,  "no stream key"),
    ("only a query",     "app",       "?a=1",                     PeerError,  "no stream key"),
    ("broken URL",       "app",       "rtmp://[oops/app/key",     PeerError,  "cannot be read"),
    ("long key",         "app",       "k" * 10_000,               LimitError, "longer than 8192"),
    ("many parameters",  "app",       "k?" + "a=1&" * 40,         LimitError, "more than 32"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("app", "name", "error", "says"),
    [row[1:] for row in REJECTED],
    ids=[row[0] for row in REJECTED],
)
def test_what_holds_no_key_is_rejected(app, name, error, says):
    with pytest.raises(error, match=says):
        publish_request(app=app, tc_url="", name=name)


def test_the_key_is_not_in_the_request_s_repr():
    assert KEY not in repr(publish_request(app=f"app/{KEY}", tc_url="", name=KEY))


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_any_text_gives_a_request_or_a_peer_error(app, tc_url, name):
    try:
        request = publish_request(app=app, tc_url=tc_url, name=name)
    except PeerError:
        return
    assert request.stream_key.reveal()
