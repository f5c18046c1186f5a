"""A tiny parser of playlists, for rules about what they list; independent of the window."""

from decimal import Decimal


class Parsed:
    def __init__(self, playlist):
        self.text = playlist
        self.header, self.entries, self.parts, self.hints, self.prefetched = {}, {}, {}, [], []
        waiting = []
        for line in playlist.splitlines():
            name, _, value = line.partition(":")
            if name == "#EXT-X-PART":
                duration, uri = (item.split("=")[1] for item in value.split(",")[:2])
                self.parts[uri.strip('"')] = Decimal(duration)
                waiting.append(Decimal(duration))
            elif name == "#EXT-X-PRELOAD-HINT":
                self.hints.append(value)
            elif name == "#EXT-X-PREFETCH":
                self.prefetched.append(value)
            elif name == "#EXTINF":
                extinf = Decimal(value.partition(",")[0])
                assert not waiting or abs(sum(waiting) - extinf) < Decimal("0.001")
                waiting = []
            elif not line.startswith("#"):
                self.entries[line] = extinf
            elif name in {
                "#EXT-X-VERSION",
                "#EXT-X-TARGETDURATION",
                "#EXT-X-SERVER-CONTROL",
                "#EXT-X-PART-INF",
                "#EXT-X-MEDIA-SEQUENCE",
                "#EXT-X-DISCONTINUITY-SEQUENCE",
            }:
                assert name not in self.header
                self.header[name] = value
        self.sequence = int(self.header["#EXT-X-MEDIA-SEQUENCE"])
        self.discontinuity = int(self.header["#EXT-X-DISCONTINUITY-SEQUENCE"])
        self.ended = playlist.endswith("#EXT-X-ENDLIST\n")
