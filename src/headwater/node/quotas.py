"""The API's quotas from the settings: a profile, and what the operator put in its place."""

from collections.abc import Mapping
from types import MappingProxyType

from msgspec.structs import asdict, replace

from headwater.api.quotas import AWS_CALLS_PER_S, PROFILES, Quotas
from headwater.node.sections import QuotaSettings

_NONE: Mapping[str, int] = MappingProxyType({})


def quotas_of(settings: QuotaSettings) -> Quotas:
    """The profile's quotas; a setting that is not 0 replaces the profile's figure."""
    profile = PROFILES[settings.profile]
    own = {name: value for name, value in asdict(settings).items() if isinstance(value, int)}
    rates = {"profile": profile.calls_per_s, "aws": AWS_CALLS_PER_S, "off": _NONE}
    return replace(
        profile,
        calls_per_s=rates[settings.call_rates],
        **{name: value for name, value in own.items() if value},
    )
