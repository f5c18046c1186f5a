"""Which resource each operation asks a policy for, by the service authorization reference."""

import json

import pytest

from api.inputs import MODEL, least
from headwater.api.operations import OPERATIONS
from headwater.store.records import Scope

SCOPE = Scope("123456789012", "eu-west-1")
FIRST_TYPE = {
    "channel": """
        BatchGetChannel BatchStartViewerSessionRevocation CreateChannel DeleteChannel GetChannel
        GetStream GetStreamSession InsertAdBreak ListChannels ListStreamKeys ListStreamSessions
        ListStreams PutMetadata StartViewerSessionRevocation StopStream UpdateChannel
        ListTagsForResource TagResource UntagResource
        """,
    "stream-key": "BatchGetStreamKey CreateStreamKey DeleteStreamKey GetStreamKey",
    "playback-key": """
        DeletePlaybackKeyPair GetPlaybackKeyPair ImportPlaybackKeyPair ListPlaybackKeyPairs
        """,
    "recording-configuration": """
        CreateRecordingConfiguration DeleteRecordingConfiguration GetRecordingConfiguration
        ListRecordingConfigurations
        """,
    "playback-restriction-policy": """
        CreatePlaybackRestrictionPolicy DeletePlaybackRestrictionPolicy
        GetPlaybackRestrictionPolicy ListPlaybackRestrictionPolicies
        UpdatePlaybackRestrictionPolicy
        """,
    "ad-configuration": """
        CreateAdConfiguration DeleteAdConfiguration GetAdConfiguration ListAdConfigurations
        UpdateAdConfiguration
        """,
    "failover-slate-configuration": """
        CreateFailoverSlateConfiguration DeleteFailoverSlateConfiguration
        GetFailoverSlateConfiguration ListFailoverSlateConfigurations
        UpdateFailoverSlateConfiguration
        """,
}
TYPES = {name: type_ for type_, names in FIRST_TYPE.items() for name in names.split()}


def test_every_operation_of_the_model_has_a_type():
    assert TYPES.keys() == set(MODEL.operation_names)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_an_operation_acts_on_its_type(operation):
    shape = MODEL.operation_model(operation.name).input_shape
    request = operation.decoder.decode(json.dumps(least(shape)).encode())

    arn = operation.resources(SCOPE, request)[0]

    prefix = f"arn:aws:ivs:eu-west-1:123456789012:{TYPES[operation.name]}/"
    # A call that names a resource acts on that one, one that makes or lists them on all.
    sent = {value for value in least(shape).values() if isinstance(value, str)}
    assert arn == f"{prefix}*" or arn.startswith(prefix)
    if operation.name.startswith(("Get", "Update", "Delete", "Tag", "Untag", "ListTags")):
        assert arn in sent
