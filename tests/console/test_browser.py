"""The watch page and the strip reader in a real browser; the network is this file."""

import base64
import json
import shutil

import pytest
from playwright.sync_api import sync_playwright

from headwater.console.pages import Pages
from headwater.core.http import Request
from headwater.publisher.picture import Picture

pytestmark = pytest.mark.e2e

ORIGIN = "http://headwater.test"
PLAYLIST = "/live.m3u8"
PAGES = Pages()
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """A page whose requests are answered by Pages; problems fail the test."""
    page = browser.new_page(viewport={"width": 360, "height": 740})
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.route(f"{ORIGIN}/**", answer)
    yield page
    page.close()
    assert problems == []


def answer(route):
    path, _, query = route.request.url.removeprefix(ORIGIN).partition("?")
    response = PAGES.respond(Request(method="GET", path=path, query=query, headers=[]), PLAYLIST)
    route.fulfill(status=response.status, headers=dict(response.headers), body=response.body)


def wait_for_state(page, state):
    page.wait_for_selector(f'html[data-state="{state}"]', state="attached", timeout=10_000)


ANSWERS = [
    # id,           status, state,     says
    ("offline",     404,    "offline", "This channel is offline"),
    ("private",     403,    "error",   "You can't watch this channel"),
    ("broken",      500,    "error",   "The stream can't be played now"),
    ("unreachable", None,   "error",   "The server can't be reached"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "state", "says"), [row[1:] for row in ANSWERS], ids=[row[0] for row in ANSWERS]
)
def test_the_page_says_plainly_why_there_is_no_picture(page, status, state, says):
    page.route(
        f"{ORIGIN}{PLAYLIST}",
        lambda route: route.fulfill(status=status, body="[]") if status else route.abort(),
    )

    page.goto(f"{ORIGIN}/watch/abc")
    wait_for_state(page, state)

    assert page.text_content("#headline") == says
    stats = page.evaluate("() => window.headwater.stats()")
    assert (stats["state"], stats["stalls"], stats["level"]) == (state, 0, None)
    assert page.evaluate("() => document.documentElement.scrollWidth") == 360


def test_an_offline_page_asks_again_and_passes_the_token_on(page):
    asked = []
    page.route(
        f"{ORIGIN}{PLAYLIST}?*",
        lambda route: (asked.append(route.request.url), route.fulfill(status=404, body="[]")),
    )

    page.goto(f"{ORIGIN}/watch/abc?token=a%26b")
    wait_for_state(page, "offline")
    page.wait_for_timeout(2500)

    assert 2 <= len(asked) <= 4
    assert set(asked) == {f"{ORIGIN}{PLAYLIST}?token=a%26b"}


READ = """async ({ luma, width, height, shown }) => {
  const { readStrip } = await import("/static/strip.js");
  const gray = Uint8Array.from(atob(luma), (char) => char.charCodeAt(0));
  const image = new ImageData(width, height);
  gray.forEach((value, index) => image.data.set([value, value, value, 255], index * 4));
  const full = new OffscreenCanvas(width, height);
  full.getContext("2d").putImageData(image, 0, 0);
  const scaled = new OffscreenCanvas(shown, Math.round((shown * height) / width));
  const context = scaled.getContext("2d");
  context.drawImage(full, 0, 0, scaled.width, scaled.height);
  return readStrip(context.getImageData(0, 0, scaled.width, scaled.height));
}"""


@pytest.mark.parametrize("shown", [1280, 853, 640, 426])
def test_the_browser_reads_the_strip_at_any_scale(page, shown):
    picture = Picture(width=640, height=360, fps=30)
    page.goto(f"{ORIGIN}/static/icon.svg")
    for unix_ms, frame in ((1_763_900_000_123, 7), (1_999_999_999_999, 2**24 - 1)):
        picture.draw(unix_ms, frame)
        luma = base64.b64encode(picture.planes[0]).decode()
        sent = {"luma": luma, "width": 640, "height": 360, "shown": shown}
        assert page.evaluate(READ, sent) == {"unixMs": unix_ms, "frame": frame}


def test_the_browser_finds_no_strip_in_another_picture(page):
    page.goto(f"{ORIGIN}/static/icon.svg")
    luma = base64.b64encode(bytes(160 * 90)).decode()

    sent = {"luma": luma, "width": 160, "height": 90, "shown": 160}
    assert json.dumps(page.evaluate(READ, sent)) == "null"


NEAR = """
async ([behind, ahead, rate]) => {
  const { keepNear } = await import("/static/near.js");
  const video = new EventTarget();
  Object.assign(video, { currentTime: 10, playbackRate: rate });
  video.buffered = { length: 1, end: () => 10 + ahead };
  const handlers = {};
  const player = { latency: 1 + behind, targetLatency: 1, once: (name, f) => (handlers[name] = f) };
  keepNear(video, player);
  video.dispatchEvent(new Event("timeupdate"));
  const chosen = video.playbackRate;
  handlers[window.Hls.Events.DESTROYING]();
  video.playbackRate = 9;
  video.dispatchEvent(new Event("timeupdate"));
  return [chosen, video.playbackRate];
}
"""
DISTANCES = [
    # id,                       behind, ahead, rate, chosen
    ("at its distance",         0.0,    0.9,   1,    1),
    ("a little behind",         0.05,   0.9,   1,    1),
    ("behind",                  0.3,    0.9,   1,    1.05),
    ("catching up still",       0.05,   0.9,   1.05, 1.05),
    ("caught up",               0.0,    0.9,   1.05, 1),
    ("behind, little buffered", 0.3,    0.3,   1.05, 1),
]  # fmt: skip


@pytest.mark.parametrize(
    ("behind", "ahead", "rate", "chosen"),
    [row[1:] for row in DISTANCES],
    ids=[row[0] for row in DISTANCES],
)
def test_a_player_catches_up_until_it_is_at_its_distance(page, behind, ahead, rate, chosen):
    page.route(f"{ORIGIN}{PLAYLIST}", lambda route: route.fulfill(status=404, body="[]"))
    page.goto(f"{ORIGIN}/watch/abc")

    got, after_the_end = page.evaluate(NEAR, [behind, ahead, rate])

    assert got == chosen
    assert after_the_end == 9, "a player that is gone changes nothing any more"


SCRUB = """
async () => {
  const { clock, createScrubber } = await import("/static/scrubber.js");
  const box = document.createElement("div");
  box.className = "scrubber";
  box.style.cssText = "position: fixed; left: 0; top: 100px; width: 300px; margin: 0";
  document.body.append(box);
  const sought = [];
  const scrubber = createScrubber(box, {
    label: clock,
    picture: (seconds) => (seconds < 300 ? null : "/static/icon.svg"),
    seek: (seconds) => sought.push(Math.round(seconds)),
  });
  scrubber.show(60, 600, 120);
  window.scrubber = { box, sought, scrubber };
}
"""


def test_the_seek_bar_seeks_by_pointer_and_keys_and_shows_previews(page):
    page.route(f"{ORIGIN}{PLAYLIST}", lambda route: route.fulfill(status=404, body="[]"))
    page.goto(f"{ORIGIN}/watch/abc")
    page.evaluate(SCRUB)
    bar = page.locator(".scrubber").last

    assert bar.get_attribute("aria-valuenow") == "60"
    assert bar.get_attribute("aria-valuetext") == "1:00"
    page.mouse.move(75, 110)
    assert bar.locator(".preview").inner_text() == "2:30"
    assert not bar.locator(".preview img").is_visible()
    page.mouse.move(225, 110)
    assert bar.locator(".preview").inner_text() == "7:30"
    assert bar.locator(".preview img").is_visible()
    page.mouse.down()
    page.mouse.move(900, 110)
    assert bar.get_attribute("aria-valuetext") == "10:00", "beyond its end is its end"
    page.mouse.move(150, 110)
    page.mouse.up()
    bar.focus()
    for key in ("ArrowRight", "ArrowLeft", "PageUp", "Home", "ArrowLeft", "End", "x"):
        page.keyboard.press(key)

    assert page.evaluate("window.scrubber.sought") == [300, 305, 300, 360, 0, 0, 600]
    page.mouse.move(150, 400)
    assert not bar.locator(".preview").is_visible()


CLOCKS = [
    [0, "0:00"],
    [9.9, "0:09"],
    [61, "1:01"],
    [3599, "59:59"],
    [3600, "1:00:00"],
    [172_805, "48:00:05"],
]


def test_times_are_shown_as_on_a_clock(page):
    page.goto(f"{ORIGIN}/static/icon.svg")
    shown = page.evaluate(
        "async (rows) => { const { clock } = await import('/static/scrubber.js');"
        " return rows.map(([seconds]) => clock(seconds)); }",
        CLOCKS,
    )
    assert shown == [text for _, text in CLOCKS]
