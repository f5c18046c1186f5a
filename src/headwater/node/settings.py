"""All settings together, and what is said of each.

A setting's value is the last of: its default, `headwater.toml`, the environment
(`HEADWATER_<SECTION>_<NAME>`), a flag (`--<section>-<name>`).
"""

from collections.abc import Iterator
from typing import Any, get_type_hints

import msgspec
from msgspec import Struct

from headwater.node.sections import (
    PATTERN_TEXT,
    EventsSettings,
    HttpSettings,
    MetricsSettings,
    PackagingSettings,
    PlaybackSettings,
    PublicSettings,
    QuotaSettings,
    RecordingSettings,
    RtmpSettings,
    ServerSettings,
    StoreSettings,
    TlsSettings,
    TranscodeSettings,
)


class Settings(Struct, frozen=True, kw_only=True):
    """All sections."""

    server: ServerSettings = ServerSettings()
    http: HttpSettings = HttpSettings()
    rtmp: RtmpSettings = RtmpSettings()
    tls: TlsSettings = TlsSettings()
    public: PublicSettings = PublicSettings()
    store: StoreSettings = StoreSettings()
    quotas: QuotaSettings = QuotaSettings()
    packaging: PackagingSettings = PackagingSettings()
    playback: PlaybackSettings = PlaybackSettings()
    transcode: TranscodeSettings = TranscodeSettings()
    events: EventsSettings = EventsSettings()
    recording: RecordingSettings = RecordingSettings()
    metrics: MetricsSettings = MetricsSettings()


class Setting(Struct, frozen=True, kw_only=True):
    """One setting as its field declares it."""

    section: str
    name: str
    type: Any  # the annotated type, for msgspec.convert
    default: str | int
    description: str
    allowed: str

    @property
    def dotted(self) -> str:
        """`section.name`, as error texts and headwater.toml spell it."""
        return f"{self.section}.{self.name}"

    @property
    def variable(self) -> str:
        """The environment variable."""
        return f"HEADWATER_{self.section}_{self.name}".upper()

    @property
    def flag(self) -> str:
        """The command-line flag."""
        return f"--{self.section}-{self.name}".replace("_", "-")


def all_settings() -> Iterator[Setting]:
    """Every setting, section by section in the order of the structs."""
    for section in msgspec.structs.fields(Settings):
        hints = get_type_hints(section.type, include_extras=True)
        for field in msgspec.structs.fields(section.type):
            hint = hints[field.name]
            yield Setting(
                section=section.name,
                name=field.name,
                type=hint,
                default=field.default,
                description=_description(hint),
                allowed=_allowed(hint),
            )


def section_docs() -> dict[str, str]:
    """First line of each section's docstring, by section name."""
    fields = msgspec.structs.fields(Settings)
    return {field.name: (field.type.__doc__ or "").splitlines()[0] for field in fields}


def _description(hint: Any) -> str:  # noqa: ANN401 - a typing construct
    texts = [meta.description for meta in hint.__metadata__ if meta.description]
    return str(texts[-1])


def _allowed(hint: Any) -> str:  # noqa: ANN401 - a typing construct
    info = msgspec.inspect.type_info(hint)
    while isinstance(info, msgspec.inspect.Metadata):
        info = info.type
    match info:
        case msgspec.inspect.IntType(ge=low, le=high):
            return f"a whole number from {low} to {high}"
        case msgspec.inspect.LiteralType(values=values):
            return "one of " + ", ".join(str(value) for value in values)
        case msgspec.inspect.StrType(pattern=str(pattern)):
            return PATTERN_TEXT[pattern]
        case msgspec.inspect.StrType(min_length=1):
            return "a non-empty text"
    return "a text"
