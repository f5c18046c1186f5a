"""The sections of the settings: each setting's name with its unit, default, range and effect.

Stages receive numbers, never these structures.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Port = Annotated[int, Meta(ge=0, le=65535)]
URL_PATTERN = r"^https?://([^\s/{}]|\{prefix\}|\{region\})+\Z|^\Z"
PRESET_PATTERN = r"^[a-z0-9]{1,16}\Z"
STORE_PATTERN = r"^(sqlite:///|postgresql://).+|^\Z"
NETWORKS_PATTERN = r"^[0-9A-Fa-f:./, ]*\Z"
HOST_PATTERN = r"^([A-Za-z0-9._-]|\{prefix\}|\{region\})*\Z"
BEARER_PATTERN = r"^[A-Za-z0-9._~+/=-]{16,256}\Z|^\Z"
ENDPOINT_PATTERN = r"^https?://[^\s/?#@]+/?\Z|^aws\Z|^\Z"
PATTERN_TEXT = {
    r"^[0-9]{12}\Z": "12 digits",
    r"^[a-z0-9-]{1,32}\Z": "lower-case letters, digits and hyphens, e.g. us-east-1",
    PRESET_PATTERN: "up to 16 lower-case letters and digits",
    URL_PATTERN: "an http:// or https:// URL without a path, with {prefix} and {region}, or empty",
    NETWORKS_PATTERN: "addresses and networks such as 10.0.0.0/8, separated by commas, or empty",
    ENDPOINT_PATTERN: "an http:// or https:// URL without a path, or aws, or empty",
    BEARER_PATTERN: "16 to 256 letters, digits and any of ._~+/=-, or empty",
    HOST_PATTERN: "a bare host name, with {prefix} and {region} where wanted, or empty",
    STORE_PATTERN: "sqlite:///<file>, or "
    "postgresql://<user>:<password>@<host>:<port>/<database>, or empty",
}


def _text(pattern: str, description: str) -> Meta:
    return Meta(pattern=pattern, description=description)


class ServerSettings(Struct, frozen=True, kw_only=True):
    """The process."""

    data_dir: Annotated[
        str, Meta(min_length=1, description="Folder for the database, certificate and recordings.")
    ] = "headwater-data"
    account_id: Annotated[
        str, _text(r"^[0-9]{12}\Z", "AWS account that the first access key belongs to.")
    ] = "000000000000"
    region: Annotated[
        str,
        _text(
            r"^[a-z0-9-]{1,32}\Z",
            "Region shown in the lines to paste and used by the demo; "
            "requests are served for whichever region they are signed for.",
        ),
    ] = "us-east-1"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="Least severe line logged.")
    ] = "info"
    log_format: Annotated[
        Literal["auto", "text", "json"],
        Meta(description="Log lines: text, json, or auto (text on a terminal, else json)."),
    ] = "auto"


class HttpSettings(Struct, frozen=True, kw_only=True):
    """API, playback and watch page."""

    bind_address: Annotated[
        str,
        Meta(
            min_length=1,
            description="Address to listen on; anything but loopback opens it to a network.",
        ),
    ] = "127.0.0.1"
    port: Annotated[Port, Meta(description="Port for plain HTTP; 0 picks a free one.")] = 8080
    tls_port: Annotated[
        Port, Meta(description="Port for HTTPS with HTTP/2; 0 picks a free one.")
    ] = 8443
    max_body_bytes: Annotated[
        int, Meta(ge=1024, le=16_777_216, description="Largest request body accepted.")
    ] = 262_144
    trusted_proxies: Annotated[
        str,
        _text(
            NETWORKS_PATTERN,
            "Proxies whose X-Forwarded-For header says whom a request comes from; nobody "
            "else's is believed.",
        ),
    ] = ""


class RtmpSettings(Struct, frozen=True, kw_only=True):
    """Ingest from encoders."""

    bind_address: Annotated[
        str,
        Meta(
            min_length=1,
            description="Address to listen on; anything but loopback opens it to a network.",
        ),
    ] = "127.0.0.1"
    port: Annotated[
        Port,
        Meta(description="Port for plain RTMP (channels with insecureIngest); 0 picks a free one."),
    ] = 1935
    tls_port: Annotated[Port, Meta(description="Port for RTMPS; 0 picks a free one.")] = 1936
    proxy_protocol: Annotated[
        Literal["off", "on"],
        Meta(
            description="on: each RTMP and RTMPS connection starts with a load balancer's PROXY "
            "header (version 1 or 2); nobody else may be able to connect. off: none is believed."
        ),
    ] = "off"
    max_connections: Annotated[
        int, Meta(ge=1, le=100_000, description="Encoder connections open at once.")
    ] = 1000
    max_streams: Annotated[
        int, Meta(ge=1, le=100_000, description="Streams live at once, over all channels.")
    ] = 100


class TlsSettings(Struct, frozen=True, kw_only=True):
    """Certificate for HTTPS and RTMPS."""

    certificate_file: Annotated[
        str,
        Meta(
            description="PEM file with the full chain; empty: self-signed, made at first start. "
            "Read again when it changes."
        ),
    ] = ""
    key_file: Annotated[
        str, Meta(description="PEM file with the private key of tls.certificate_file.")
    ] = ""
    second_certificate_file: Annotated[
        str,
        Meta(
            description="PEM file with a chain of the other key type (RSA beside ECDSA), for "
            "RTMPS encoders that cannot use the first; HTTPS has the first only."
        ),
    ] = ""
    second_key_file: Annotated[
        str, Meta(description="PEM file with the private key of tls.second_certificate_file.")
    ] = ""


class PublicSettings(Struct, frozen=True, kw_only=True):
    """How the world reaches this server: what the API writes into its answers.

    `{prefix}` stands for 12 hex digits of account and region, `{region}` for the region,
    as in IVS's own host names.
    """

    playback_url: Annotated[
        str,
        _text(
            URL_PATTERN,
            "Start of every playbackUrl, e.g. https://{prefix}.{region}.playback.example.com; "
            "empty: http.bind_address and http.port.",
        ),
    ] = ""
    ingest_host: Annotated[
        str,
        _text(
            HOST_PATTERN,
            "Channel.ingestEndpoint, e.g. {prefix}.ingest.example.com; empty: rtmp.bind_address.",
        ),
    ] = ""
    srt_host: Annotated[
        str,
        _text(
            HOST_PATTERN,
            "Channel.srt.endpoint; empty: rtmp.bind_address.",
        ),
    ] = ""


class StoreSettings(Struct, frozen=True, kw_only=True):
    """The database."""

    url: Annotated[
        str,
        _text(
            STORE_PATTERN,
            "Where the data is kept; empty: the SQLite file headwater.db in server.data_dir. "
            "Best given as an environment variable when it has a password.",
        ),
    ] = ""


def _quota(what: str) -> Meta:
    return Meta(
        ge=0,
        le=1_000_000,
        description=f"{what} per account and region; 0: the profile's figure, 1000000: no end.",
    )


def _ingest(what: str, which: str, most: int) -> Meta:
    return Meta(
        ge=0,
        le=most,
        description=f"{what} ({which}); beyond it the encoder is disconnected. "
        "0: the profile's figure.",
    )


class QuotaSettings(Struct, frozen=True, kw_only=True):
    """How many resources there may be, and how many calls a second.

    The names are those of `api.quotas.Quotas`.
    """

    profile: Annotated[
        Literal["default", "aws"],
        Meta(
            description="aws: IVS's own quotas and call rates, refused with its 402 and 429. "
            "default: only what protects the server and what clients rely on."
        ),
    ] = "default"
    channels: Annotated[int, _quota("Channels")] = 0
    stream_keys_per_channel: Annotated[
        int, Meta(ge=0, le=50, description="Stream keys per channel; 0: the profile's figure.")
    ] = 0
    playback_key_pairs: Annotated[int, _quota("Playback key pairs")] = 0
    recording_configurations: Annotated[int, _quota("Recording configurations")] = 0
    playback_restriction_policies: Annotated[int, _quota("Playback restriction policies")] = 0
    ad_configurations: Annotated[int, _quota("Ad configurations")] = 0
    failover_slate_configurations: Annotated[int, _quota("Failover slate configurations")] = 0
    concurrent_streams: Annotated[int, _quota("Streams published at once,")] = 0
    concurrent_views: Annotated[int, _quota("Viewers at once,")] = 0
    takeovers_per_stream: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="How often encoders of a higher priority may take one stream over; "
            "0: the profile's figure.",
        ),
    ] = 0
    ingest_bitrate_bps: Annotated[
        int, _ingest("Bits a second of an input", "not for the channel type BASIC", 80_000_000)
    ] = 0
    basic_ingest_bitrate_bps: Annotated[
        int, _ingest("Bits a second of an input", "channel type BASIC", 80_000_000)
    ] = 0
    basic_ingest_bitrate_480p_bps: Annotated[
        int, _ingest("Bits a second of an input", "channel type BASIC, up to 480p", 80_000_000)
    ] = 0
    ingest_pixels: Annotated[
        int, _ingest("Pixels of an input's picture", "width times height", 8_192 * 4_320)
    ] = 0
    ingest_edge_pixels: Annotated[
        int, _ingest("Pixels of an input's picture", "along its longer edge", 8_192)
    ] = 0
    put_metadata_per_channel_per_s: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000,
            description="Calls of PutMetadata for one channel in a second; "
            "0: the profile's figure.",
        ),
    ] = 0
    put_metadata_per_account_per_s: Annotated[
        int,
        Meta(
            ge=0,
            le=100_000,
            description="Calls of PutMetadata for one account and region in a second; "
            "0: the profile's figure.",
        ),
    ] = 0
    call_rates: Annotated[
        Literal["profile", "aws", "off"],
        Meta(description="Calls a second of each other operation: the profile's, IVS's, or any."),
    ] = "profile"


class PackagingSettings(Struct, frozen=True, kw_only=True):
    """Segments, parts and windows."""

    segment_target_ms: Annotated[
        int,
        Meta(
            ge=1000,
            le=6000,
            description="Segment length aimed at with latencyMode NORMAL; cut at key frames.",
        ),
    ] = 2000
    low_latency_segment_target_ms: Annotated[
        int,
        Meta(
            ge=1000,
            le=6000,
            description="Segment length aimed at with latencyMode LOW; cut at key frames. The IVS "
            "player starts at the newest complete segment: shorter ones are nearer to live.",
        ),
    ] = 1000
    segment_tags: Annotated[
        Literal["on", "off"],
        Meta(
            description="Begin each segment with an ID3 tag that says when it came in: the IVS "
            "player's getLiveLatency needs it."
        ),
    ] = "on"
    metadata_text_frames: Annotated[
        Literal["on", "off"],
        Meta(
            description="Carry what PutMetadata gives in a TXXX frame as well, for players that "
            "read no PRIV frames; the IVS player then tells each message twice."
        ),
    ] = "off"
    part_target_ms: Annotated[
        int, Meta(ge=200, le=1000, description="Part length aimed at with latencyMode LOW.")
    ] = 333
    window_ms: Annotated[
        int, Meta(ge=20_000, le=120_000, description="Media that a live playlist lists at least.")
    ] = 24_000


class TranscodeSettings(Struct, frozen=True, kw_only=True):
    """Renditions that have to be encoded: those of channels that are not BASIC."""

    mode: Annotated[
        Literal["on", "off"],
        Meta(
            description="off: every channel passes its input through and has that one rendition, "
            "whatever its type; for machines that are too small, or viewers that are few."
        ),
    ] = "on"
    encoder: Annotated[
        Literal["x264", "nvenc", "vaapi", "qsv"],
        Meta(description="What encodes the pictures; `headwater doctor` shows what works here."),
    ] = "x264"
    preset: Annotated[
        str,
        _text(
            PRESET_PATTERN,
            "The encoder's own name of how much effort to make; with x264 superfast, veryfast, "
            "faster, fast or medium (ultrafast leaves H.264's Main profile).",
        ),
    ] = "veryfast"
    encoder_threads: Annotated[
        int, Meta(ge=1, le=16, description="Threads of each rendition's encoder.")
    ] = 1
    decoder_threads: Annotated[
        int, Meta(ge=1, le=16, description="Threads of each stream's decoder.")
    ] = 1
    capacity_units: Annotated[
        int,
        Meta(
            ge=0,
            le=10_000,
            description="How much may be encoded at once, where 1280x720 at 30 frames a second "
            "is 1; streams beyond it are refused. 0: measured at the first start.",
        ),
    ] = 0


class PlaybackSettings(Struct, frozen=True, kw_only=True):
    """Who may watch."""

    country_database_file: Annotated[
        str,
        Meta(
            description="File in MaxMind's format (.mmdb) that says in which country an address "
            "is, for playback restriction policies; empty: unknown for every viewer, who may "
            "watch then. Read again when it changes."
        ),
    ] = ""


class MetricsSettings(Struct, frozen=True, kw_only=True):
    """Prometheus metrics."""

    secret_token: Annotated[
        str,
        _text(
            BEARER_PATTERN,
            "Bearer token of those who may read /metrics; empty: this machine may, without one, "
            "and through no proxy. Best given as an environment variable.",
        ),
    ] = ""


class EventsSettings(Struct, frozen=True, kw_only=True):
    """Events, and the targets that `headwater events rules` sends them to."""

    retention_hours: Annotated[
        int,
        Meta(
            ge=1,
            le=336,
            description="How long an event is kept, and tried to be delivered to a target that "
            "is away.",
        ),
    ] = 24
    private_webhooks: Annotated[
        Literal["on", "off"],
        Meta(
            description="on: webhooks may be at private addresses, this machine's included; off: "
            "whoever makes a rule reaches nothing by it that the internet does not."
        ),
    ] = "off"
    folder: Annotated[
        str, Meta(description="Folder of the files of events; empty: events in server.data_dir.")
    ] = ""
    file_max_bytes: Annotated[
        int,
        Meta(
            ge=65_536,
            le=10_737_418_240,
            description="Size at which a file of events becomes <name>.1; five such are kept.",
        ),
    ] = 67_108_864


class RecordingSettings(Struct, frozen=True, kw_only=True):
    """Where recordings go, and the local disk that they go by."""

    def __repr__(self) -> str:
        """Without its secret."""
        return f"RecordingSettings(endpoint_url={self.endpoint_url!r}, ...)"

    endpoint_url: Annotated[
        str,
        _text(
            ENDPOINT_PATTERN,
            "S3 service that has the buckets, e.g. https://s3.example.com; aws: Amazon's own; "
            "empty: a bucket is a folder of server.data_dir.",
        ),
    ] = ""
    region: Annotated[
        str,
        _text(
            r"^[a-z0-9-]{1,32}\Z", "Region that requests to recording.endpoint_url are signed for."
        ),
    ] = "us-east-1"
    access_key_id: Annotated[str, Meta(description="Access key for recording.endpoint_url.")] = ""
    secret_access_key: Annotated[
        str,
        Meta(
            description="Its secret. Best given as an environment variable, "
            "HEADWATER_RECORDING_SECRET_ACCESS_KEY."
        ),
    ] = ""
    path_style: Annotated[
        Literal["on", "off"],
        Meta(
            description="on: the bucket's name stands in the path of a URL, as most services but "
            "Amazon's want it; off: in the host name."
        ),
    ] = "on"
    spool_max_bytes: Annotated[
        int,
        Meta(
            ge=67_108_864,
            le=1_099_511_627_776,
            description="What recordings may have on the local disk, in server.data_dir/spool, "
            "until it is stored. 6 Mb/s fill 450 MB in 10 minutes. Media beyond it is lost.",
        ),
    ] = 10_737_418_240
    give_up_s: Annotated[
        int,
        Meta(
            ge=10,
            le=604_800,
            description="How long after its end a recording is tried to be stored, before it "
            "counts as failed.",
        ),
    ] = 86_400
    pages: Annotated[
        Literal["auto", "on", "off"],
        Meta(
            description="on: the watch page shows the recordings of public channels, and their "
            "objects are served below /recordings/ to everybody. off: they stay in their buckets. "
            "auto: on where this machine alone reaches the server (http.bind_address is loopback, "
            "public.playback_url is empty)."
        ),
    ] = "auto"
