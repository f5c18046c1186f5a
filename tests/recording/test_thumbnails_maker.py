import asyncio

from headwater.recording.layout import ThumbnailSize
from headwater.recording.pictures import KeyFrame, PictureSource, ThumbnailWishes
from headwater.recording.thumbnails_maker import thumbnailers

SOURCES = [
    PictureSource(name="720p30", width=1280, height=720),
    PictureSource(name="160p30", width=284, height=160),
]


def wishes(*, first_number=0, next_at_ms=0, sources=SOURCES, **configuration):
    return ThumbnailWishes(
        configuration={"targetIntervalSeconds": 1, **configuration},
        sources=sources,
        first_number=first_number,
        next_at_ms=next_at_ms,
    )


def key_frame(at_ms, *, rendition="720p30", init=None):
    return KeyFrame(
        rendition=rendition,
        container="TS" if init is None else "FRAGMENTED_MP4",
        init=init,
        payload=f"at {at_ms}".encode(),
        at_ms=at_ms,
    )


class Files(list):
    def put(self, key, body):
        self.append((key, body))


async def draw(media, size):
    return b"%s %dx%d" % (media, size.width, size.height)


async def test_key_frames_of_one_rendition_become_numbered_files():
    files = Files()
    maker = thumbnailers(draw)(wishes(), files.put)
    for at_ms in (0, 500, 1000):
        maker.push(key_frame(at_ms, rendition="160p30"))
        maker.push(key_frame(at_ms))
    await maker.close()

    assert files == [
        ("media/thumbnails/thumb0.jpg", b"at 0 1280x720"),
        ("media/thumbnails/thumb1.jpg", b"at 1000 1280x720"),
    ]
    assert maker.sequential() == ThumbnailSize(width=1280, height=720)
    assert maker.latest() is None


async def test_the_latest_is_one_file_that_is_overwritten():
    files = Files()
    maker = thumbnailers(draw)(
        wishes(storage=["LATEST"], resolution="LOWEST_RESOLUTION"), files.put
    )
    for at_ms in (0, 1000):
        maker.push(key_frame(at_ms, rendition="160p30", init=b"init "))
    await maker.close()

    assert files == [
        ("media/latest_thumbnail/thumb.jpg", b"init at 0 284x160"),
        ("media/latest_thumbnail/thumb.jpg", b"init at 1000 284x160"),
    ]
    assert maker.latest() == ThumbnailSize(width=284, height=160)
    assert maker.sequential() is None


async def test_a_recording_that_goes_on_counts_on():
    files = Files()
    maker = thumbnailers(draw)(
        wishes(first_number=7, next_at_ms=5000, storage=["SEQUENTIAL", "LATEST"]), files.put
    )
    for at_ms in (4000, 5500, 6000):
        maker.push(key_frame(at_ms))
    await maker.close()

    assert [key for key, _ in files] == [
        "media/thumbnails/thumb7.jpg",
        "media/latest_thumbnail/thumb.jpg",
        "media/thumbnails/thumb8.jpg",
        "media/latest_thumbnail/thumb.jpg",
    ]


async def test_what_cannot_be_drawn_is_left_out_and_takes_no_number():
    async def draw_odd(media, size):
        return None if media == b"at 1000" else await draw(media, size)

    files = Files()
    maker = thumbnailers(draw_odd)(wishes(), files.put)
    for at_ms in (0, 1000, 2000):
        maker.push(key_frame(at_ms))
    await maker.close()

    assert [body[:7] for _, body in files] == [b"at 0 12", b"at 2000"]
    assert [key for key, _ in files][-1] == "media/thumbnails/thumb1.jpg"


async def test_files_keep_the_order_of_time_whatever_takes_long():
    slow = asyncio.Event()

    async def draw_slowly(media, _size):
        if media == b"at 0":
            await slow.wait()
        return media

    files = Files()
    maker = thumbnailers(draw_slowly)(wishes(), files.put)
    maker.push(key_frame(0))
    maker.push(key_frame(1000))
    closing = asyncio.create_task(maker.close())
    await asyncio.sleep(0)
    slow.set()
    await closing

    assert [body for _, body in files] == [b"at 0", b"at 1000"]


def test_nothing_is_made_where_nothing_is_wanted_or_seen():
    make = thumbnailers(draw)
    assert make(wishes(recordingMode="DISABLED"), Files().put) is None
    assert make(wishes(sources=[]), Files().put) is None
