"""A Python client of the IVS API: `svc = ivs(config={...})`, then `svc.create_channel(name="x")`.

Works with Headwater and with AWS. Needs botocore: `pip install 'headwater[client]'`.
"""

try:
    import botocore  # noqa: F401 - whether it is there
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        "headwater's client needs botocore: pip install 'headwater[client]'", name="botocore"
    ) from missing

from headwater.client.client import IvsClient, ivs
from headwater.client.config import Config, Credentials, Creds
from headwater.client.errors import (
    AccessDeniedError,
    AnswerError,
    ApiError,
    ArgumentError,
    ChannelNotBroadcastingError,
    ConfigurationError,
    ConflictError,
    ConnectionFailedError,
    CredentialsError,
    InternalServerError,
    IvsError,
    PendingVerificationError,
    ResourceNotFoundError,
    ServiceQuotaExceededError,
    ServiceUnavailableError,
    StreamUnavailableError,
    ThrottlingError,
    TimedOutError,
    ValidationError,
)

__all__ = [
    "AccessDeniedError",
    "AnswerError",
    "ApiError",
    "ArgumentError",
    "ChannelNotBroadcastingError",
    "Config",
    "ConfigurationError",
    "ConflictError",
    "ConnectionFailedError",
    "Credentials",
    "CredentialsError",
    "Creds",
    "InternalServerError",
    "IvsClient",
    "IvsError",
    "PendingVerificationError",
    "ResourceNotFoundError",
    "ServiceQuotaExceededError",
    "ServiceUnavailableError",
    "StreamUnavailableError",
    "ThrottlingError",
    "TimedOutError",
    "ValidationError",
    "ivs",
]
