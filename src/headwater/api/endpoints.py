"""Endpoints: where a channel is published to and played from.

Derived when a request is answered and never stored, so that a server that moves to
another name needs no change of its data. The forms are IVS's: the ingest and SRT
endpoints are bare hosts, common to an account and region; the playback URL ends with
`/api/video/v1/<region>.<account>.channel.<id>.m3u8`.
"""

from hashlib import sha256

from msgspec import Struct

from headwater.api.settings import ApiSettings
from headwater.store.records import Scope

_PREFIX_LENGTH = 12  # hexadecimal digits, as in IVS's host names


class Endpoints(Struct, frozen=True, kw_only=True):
    """The endpoints of one account in one region."""

    scope: Scope
    ingest_host: str
    srt_host: str
    playback_base_url: str

    def playback_url(self, channel_id: str) -> str:
        """The multivariant playlist of a channel."""
        name = f"{self.scope.region}.{self.scope.account}.channel.{channel_id}.m3u8"
        return f"{self.playback_base_url}/api/video/v1/{name}"


def endpoints(settings: ApiSettings, scope: Scope) -> Endpoints:
    """The settings' templates, filled in for a scope."""
    prefix = sha256(f"{scope.account}/{scope.region}".encode()).hexdigest()[:_PREFIX_LENGTH]

    def filled(template: str) -> str:
        return template.replace("{prefix}", prefix).replace("{region}", scope.region)

    return Endpoints(
        scope=scope,
        ingest_host=filled(settings.ingest_host),
        srt_host=filled(settings.srt_host),
        playback_base_url=filled(settings.playback_base_url).rstrip("/"),
    )
