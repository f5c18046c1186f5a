"""The policies that are there without anybody writing them.

Source: AWS managed policy reference, "IVSFullAccess" and "IVSReadOnlyAccess", as far as
they speak of low-latency streaming. As in AWS, who may only read sees no stream key's value.
"""

import json
from collections.abc import Mapping
from types import MappingProxyType

ARN_PREFIX = "arn:aws:iam::aws:policy/"

_READ_ONLY = (
    "BatchGetChannel",
    "GetChannel",
    "GetPlaybackKeyPair",
    "GetPlaybackRestrictionPolicy",
    "GetRecordingConfiguration",
    "GetStream",
    "GetStreamSession",
    "ListChannels",
    "ListPlaybackKeyPairs",
    "ListPlaybackRestrictionPolicies",
    "ListRecordingConfigurations",
    "ListStreamKeys",
    "ListStreams",
    "ListStreamSessions",
    "ListTagsForResource",
)


def _document(sid: str, *actions: str) -> str:
    statement = {
        "Sid": sid,
        "Effect": "Allow",
        "Action": [f"ivs:{action}" for action in actions],
        "Resource": "*",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=2)


MANAGED: Mapping[str, str] = MappingProxyType(
    {
        "IVSFullAccess": _document("IVSFullAccess", "*"),
        "IVSReadOnlyAccess": _document("IVSReadOnlyAccess", *_READ_ONLY),
    }
)
"""Name to document; the ARN is ARN_PREFIX and the name."""
