import gzip
import hashlib
import re
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.console.pages import Pages
from headwater.core.http import Request, Response

PAGES = Pages()
PLAYLIST = "/api/video/v1/us-east-1.000000000000.channel.abc.m3u8"
HLS_JS = files("headwater.console") / "static" / "vendor" / "hls.js"


def ask(path, *, method="GET", query="", playback=PLAYLIST, **headers):
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    request = Request(method=method, path=path, query=query, headers=named)
    return PAGES.respond(request, playback)


def header(response, name):
    values = [value for key, value in response.headers if key == name]
    assert len(values) <= 1, name
    return values[0] if values else None


CHANNEL_PATHS = [
    # id,               path,                      channel id
    ("plain",           "/watch/aB3dE5",           "aB3dE5"),
    ("slash at end",    "/watch/aB3dE5/",          "aB3dE5"),
    ("no id",           "/watch/",                 None),
    ("deeper",          "/watch/a/b",              None),
    ("too long",        "/watch/" + "a" * 129,     None),
    ("not at start",    "/x/watch/a",              None),
    ("the API",         "/CreateChannel",          None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "expected"), [row[1:] for row in CHANNEL_PATHS], ids=[row[0] for row in CHANNEL_PATHS]
)
def test_the_channel_id_comes_from_the_path(path, expected):
    assert PAGES.watch_channel_id(path) == expected


def test_the_watch_page_names_the_channel_and_its_playlist():
    response = ask("/watch/aB3dE5")
    text = response.body.decode()

    assert response.status == 200
    assert header(response, "content-type") == "text/html; charset=utf-8"
    assert "<title>aB3dE5 · Headwater</title>" in text
    assert f'data-playback="{PLAYLIST}"' in text
    assert "$" not in text


@pytest.mark.parametrize("path", ["/watch/a", "/watch/a/recordings"])
def test_both_pages_have_the_whole_player(path):
    text = ask(path).body.decode()
    ids = re.findall(r' id="([a-z-]+)"', text)

    assert {"video", "unmute", "play", "mute", "volume", "quality", "fullscreen"} <= set(ids)
    assert len(set(ids)) == len(ids)
    assert "$" not in text
    assert ask("/static/stage.html") is None


def test_an_unknown_channel_is_404_in_words():
    response = ask("/watch/nobody", playback=None)

    assert response.status == 404
    assert b"There is no channel <code>nobody</code> here" in response.body


@pytest.mark.parametrize("playback", [PLAYLIST, None])
def test_what_a_stranger_puts_in_the_path_stays_text(playback):
    text = ask("/watch/\"><script>alert(1)<$hls_js>'", playback=playback).body.decode()

    assert "<script>alert" not in text
    assert "&quot;&gt;&lt;script&gt;alert(1)&lt;$hls_js&gt;&#x27;" in text


def test_the_playlist_path_is_escaped_too():
    text = ask("/watch/a", playback='/x" onload="y').body.decode()

    assert 'data-playback="/x&quot; onload=&quot;y"' in text


def test_pages_hold_no_inline_script_style_or_foreign_address():
    for response in (ask("/watch/a"), ask("/watch/a", playback=None)):
        text = response.body.decode()
        assert not re.findall(r"<script(?![^>]*\bsrc=)", text)
        assert not re.findall(r"<style|\bstyle=|\bon[a-z]+=", text)
        assert "//" not in text.replace("<!doctype", "")


ALL_ANSWERS = [
    # id,             path,                             query, playback
    ("page",          "/watch/a",                       "",    PLAYLIST),
    ("missing page",  "/watch/a",                       "",    None),
    ("script",        "/static/watch.js",               "",    None),
    ("hls.js",        "/static/vendor/hls.js/hls.min.js", "",  None),
    ("icon",          "/favicon.ico",                   "",    None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "query", "playback"),
    [row[1:] for row in ALL_ANSWERS],
    ids=[row[0] for row in ALL_ANSWERS],
)
def test_every_answer_has_the_security_headers(path, query, playback):
    response = ask(path, query=query, playback=playback)

    policy = header(response, "content-security-policy")
    assert policy.startswith(
        "default-src 'self'; media-src 'self' blob: data:; worker-src 'self' blob:"
    )
    assert "unsafe" not in policy
    assert header(response, "x-content-type-options") == "nosniff"
    assert header(response, "referrer-policy") == "no-referrer"


def test_the_page_names_its_files_with_a_version_that_may_be_cached_for_ever():
    text = ask("/watch/a").body.decode()
    addresses = re.findall(r'(?:href|src)="(/static/[^"]+)"', text)

    assert len(addresses) >= 4
    for address in addresses:
        path, _, query = address.partition("?")
        response = ask(path, query=query)
        assert response.status == 200, address
        assert header(response, "cache-control") == "public, max-age=31536000, immutable"
        assert header(ask(path, query="v=0"), "cache-control") == "no-cache"


def test_an_unchanged_file_is_304_without_a_body():
    tag = header(ask("/static/watch.css"), "etag")

    for sent in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        response = ask("/static/watch.css", if_none_match=sent)
        assert (response.status, response.body) == (304, b"")
        assert header(response, "etag") == tag
    assert ask("/static/watch.css", if_none_match='"other"').status == 200


def test_gzip_is_sent_to_who_accepts_it_under_its_own_etag():
    plain, zipped = ask("/static/watch.js"), ask("/static/watch.js", accept_encoding="br, gzip")

    assert header(plain, "content-encoding") is None
    assert header(zipped, "content-encoding") == "gzip"
    assert gzip.decompress(zipped.body) == plain.body
    assert header(plain, "etag") != header(zipped, "etag")
    assert header(zipped, "vary") == "accept-encoding"


@pytest.mark.parametrize("accept", ["gzip;q=0", "gzip; q=0.0", "br", "identity"])
def test_gzip_is_not_sent_to_who_does_not_accept_it(accept):
    assert header(ask("/static/watch.js", accept_encoding=accept), "content-encoding") is None


@pytest.mark.parametrize("path", ["/watch/a", "/static/watch.js"])
def test_head_has_the_headers_of_get_and_no_body(path):
    head, get = ask(path, method="HEAD"), ask(path)

    assert head.body == b""
    assert head.headers == get.headers
    assert header(head, "content-length") == str(len(get.body))


def test_another_method_is_405():
    response = ask("/watch/a", method="POST")

    assert response.status == 405
    assert header(response, "allow") == "GET, HEAD"


NOT_OURS = [
    # id,                path
    ("root",             "/"),
    ("the API",          "/ListChannels"),
    ("missing file",     "/static/nothing.js"),
    ("folder",           "/static/vendor"),
    ("template",         "/static/watch.html"),
    ("note",             "/static/vendor/hls.js/README.md"),
    ("without /static/", "/watch.css"),
    ("traversal",        "/static/../pages.py"),
    ("deep traversal",   "/static/vendor/../../pages.py"),
    ("absolute",         "/static//etc/passwd"),
    ("encoded dots",     "/static/%2e%2e/pages.py"),
]  # fmt: skip


@pytest.mark.parametrize("path", [row[1] for row in NOT_OURS], ids=[row[0] for row in NOT_OURS])
def test_other_paths_are_left_to_others(path):
    assert ask(path) is None


@settings(max_examples=100)
@given(path=st.text().map(lambda text: "/" + text), tag=st.text(), accept=st.text())
def test_any_request_gives_an_answer_or_none(path, tag, accept):
    response = ask(path, if_none_match=tag, accept_encoding=accept)

    assert response is None or isinstance(response, Response)


def test_hls_js_is_the_full_build_that_its_note_names_with_its_licence():
    note = (HLS_JS / "README.md").read_text()
    script = (HLS_JS / "hls.min.js").read_bytes()
    version = re.search(r"\| version \| (\d+\.\d+\.\d+) \|", note).group(1)

    assert hashlib.sha256(script).hexdigest() in note
    assert f'"{version}"'.encode() in script
    assert version.startswith("1.7.")
    assert b"ID3" in script  # the light build has no demuxed metadata
    licence = (HLS_JS / "LICENSE").read_text()
    assert "Apache License, Version 2.0" in licence
    assert "Brightcove" in licence
    assert ask("/static/vendor/hls.js/LICENSE").body == licence.encode()


def test_the_page_of_recordings_knows_where_they_are():
    request = Request(method="GET", path="/watch/aB3dE5/recordings", query="", headers=[])
    answer = PAGES.respond(request, PLAYLIST, "/recordings/1/aB3dE5/")
    text = answer.body.decode()

    assert answer.status == 200
    assert 'data-recordings="/recordings/1/aB3dE5/"' in text
    assert 'href="/watch/aB3dE5"' in text
    assert "Recordings of aB3dE5" in text
    assert "content-security-policy" in dict(answer.headers)


def test_the_page_of_recordings_of_no_channel_is_missing():
    answer = ask("/watch/nope/recordings", playback=None)
    assert answer.status == 404
    assert b"no such channel" in answer.body.lower()


@pytest.mark.parametrize("path", ["/watch/a", "/watch/a/recordings/"])
def test_a_page_whose_recordings_are_not_shown_has_no_place_of_them(path):
    assert b'data-recordings=""' in ask(path).body
