import gzip
import json
from http import HTTPStatus

import pytest

from headwater.core.http import Request
from headwater.delivery import answers

BODY = bytes(range(100))
ETAG = '"run"'


def get(path="/v1/x", query="", method="GET", **headers):
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Request(method=method, path=path, query=query, headers=pairs)


def media(**headers):
    return answers.media(get(**headers), BODY, content_type="video/mp2t", etag=ETAG)


RANGES = [
    # id,                    range,                 status, bytes,         content-range
    ("first ten",            "bytes=0-9",           206,    BODY[:10],     "bytes 0-9/100"),
    ("one byte",             "bytes=99-99",         206,    BODY[99:],     "bytes 99-99/100"),
    ("open end",             "bytes=90-",           206,    BODY[90:],     "bytes 90-99/100"),
    ("last ten",             "bytes=-10",           206,    BODY[90:],     "bytes 90-99/100"),
    ("more than there is",   "bytes=90-999",        206,    BODY[90:],     "bytes 90-99/100"),
    ("last thousand",        "bytes=-1000",         206,    BODY,          "bytes 0-99/100"),
    ("behind the end",       "bytes=100-",          416,    None,          "bytes */100"),
    ("last none",            "bytes=-0",            416,    None,          "bytes */100"),
    ("backwards",            "bytes=9-0",           200,    BODY,          None),
    ("several",              "bytes=0-1,3-4",       200,    BODY,          None),
    ("other unit",           "lines=0-1",           200,    BODY,          None),
    ("empty",                "bytes=-",             200,    BODY,          None),
    ("huge",                 "bytes=" + "9" * 99 + "-", 200, BODY,         None),
    ("other digits",         "bytes=\u0663-",       200,    BODY,          None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "status", "body", "content_range"),
    [row[1:] for row in RANGES],
    ids=[row[0] for row in RANGES],
)
def test_a_range_of(value, status, body, content_range):
    response = media(range=value)
    headers = dict(response.headers)

    assert response.status == status
    assert body is None or response.body == body
    assert headers.get("content-range") == content_range
    assert headers["content-length"] == str(len(response.body))
    assert headers["access-control-allow-origin"] == "*"


def test_whole_media_is_shared_not_copied():
    assert media().body is BODY


@pytest.mark.parametrize(
    ("if_range", "status"), [(ETAG, 206), ('"other"', 200), ("Sat, 01 Jan 2000 00:00:00 GMT", 200)]
)
def test_if_range_gives_the_whole_when_it_is_another(if_range, status):
    assert media(range="bytes=0-9", if_range=if_range).status == status


@pytest.mark.parametrize(
    ("condition", "status"),
    [(ETAG, 304), ("*", 304), (f'"a", W/{ETAG}', 304), ('"other"', 200), ("", 200)],
)
def test_who_has_it_need_not_fetch_it(condition, status):
    response = media(if_none_match=condition)

    assert response.status == status
    assert dict(response.headers)["etag"] == ETAG
    if status == 304:
        assert response.body == b""
        assert "content-length" not in dict(response.headers)


ENCODINGS = [
    # accept-encoding,             gzip
    (None,                         False),
    ("",                           False),
    ("gzip",                       True),
    ("gzip, deflate, br",          True),
    ("br;q=1.0, GZIP;q=0.8",       True),
    ("gzip;q=0",                   False),
    ("gzip; q=0.000, *",           False),
    ("*",                          True),
    ("*;q=0",                      False),
    ("identity",                   False),
    (";;,,=",                      False),
]  # fmt: skip


@pytest.mark.parametrize(("accepted", "gzipped"), ENCODINGS)
def test_gzip_is_used_where_it_is_accepted(accepted, gzipped):
    headers = {} if accepted is None else {"accept_encoding": accepted}

    assert answers.accepts_gzip(get(**headers)) is gzipped


def test_only_the_first_of_an_endless_accept_encoding_is_read():
    accepted = "br, " * answers.MAX_ACCEPT_ENCODING_CHARS + "gzip"

    assert not answers.accepts_gzip(get(accept_encoding=accepted))


def test_a_compressed_playlist_says_so():
    body = gzip.compress(b"#EXTM3U\n")

    headers = dict(answers.playlist(body, gzipped=True, max_age_s=1).headers)

    assert headers["content-encoding"] == "gzip"
    assert headers["vary"] == "accept-encoding"
    assert headers["content-length"] == str(len(body))
    assert headers["content-type"] == "application/vnd.apple.mpegurl"
    assert "content-encoding" not in dict(answers.playlist(b"", gzipped=False, max_age_s=1).headers)


URLS = [
    # id,                path,              query,          url
    ("as requested",     "/v1/a.m3u8",      "token=a.b&x",  "/v1/a.m3u8?token=a.b&x"),
    ("without query",    "/v1/a.m3u8",      "",             "/v1/a.m3u8"),
    ("encoded again",    '/v1/a b"<é',      "",             "/v1/a%20b%22%3C%C3%A9"),
    ("not even Unicode", "/v1/\ud800",      "\udcff",       "/v1/%3F??"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "query", "url"), [row[1:] for row in URLS], ids=[row[0] for row in URLS]
)
def test_an_error_is_a_json_array_that_repeats_the_url(path, query, url):
    response = answers.error(
        get(path, query), HTTPStatus.NOT_FOUND, code="a_code", text="a text", max_age_s=1
    )

    assert json.loads(response.body) == [
        {"url": url, "error": "a text", "error_code": "a_code", "type": "error"}
    ]
    assert dict(response.headers)["content-type"] == "application/json"


def test_answers_do_not_share_their_headers():
    first, second = media(), media()
    first.headers.append(("x", "y"))

    assert ("x", "y") not in second.headers
