import pytest

from headwater.delivery.paths import MAX_PATH_LENGTH, File, MediaPath, read_path

FILES = [
    # name,             file
    ("playlist.m3u8",   File("playlist")),
    ("init-0.mp4",      File("init", 0)),
    ("init-12.mp4",     File("init", 12)),
    ("4.ts",            File("segment", 4, extension="ts")),
    ("4.m4s",           File("segment", 4, extension="m4s")),
    ("4.2.ts",          File("part", 4, 2, "ts")),
    ("0.0.m4s",         File("part", 0, 0, "m4s")),
    ("",                File("unknown")),
    ("playlist.m3u",    File("unknown")),
    ("init-01.mp4",     File("unknown")),
    ("init-.mp4",       File("unknown")),
    ("04.ts",           File("unknown")),
    ("4.02.ts",         File("unknown")),
    ("4.2.1.ts",        File("unknown")),
    ("-4.ts",           File("unknown")),
    ("4.mp4",           File("unknown")),
    ("4.ts\n",          File("unknown")),
    ("٤.ts",            File("unknown")),
    (f"{10**15}.ts",    File("unknown")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "file"), FILES, ids=[repr(row[0]) for row in FILES])
def test_a_file_is_read(name, file):
    assert read_path(f"/v1/run/720p30/{name}") == MediaPath("run", None, "720p30", file)
    assert read_path(f"/v1/run/viewer/720p30/{name}") == MediaPath("run", "viewer", "720p30", file)


@pytest.mark.parametrize(
    "path",
    ["/v1/", "/v1/run", "/v1/run/4.ts", "/v1/run/viewer/720p30/4.ts/", f"/v1/a/b/{'9' * 300}.ts"],
)
def test_other_paths_are_not_ours(path):
    assert read_path(path) is None


def test_a_path_may_be_so_long_and_no_longer():
    path = "/v1/run/720p30/".ljust(MAX_PATH_LENGTH, "x")

    assert read_path(path) == MediaPath("run", None, "720p30", File("unknown"))
    assert read_path(f"{path}x") is None
