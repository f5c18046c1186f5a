from typing import get_args

import botocore.session
import pytest

from headwater.api import quotas
from headwater.core.arn import ResourceType

OPERATIONS = set(botocore.session.Session().get_service_model("ivs").operation_names)


@pytest.mark.parametrize("profile", quotas.PROFILES)
@pytest.mark.parametrize("resource_type", get_args(ResourceType))
def test_every_type_of_resource_has_a_quota(profile, resource_type):
    quota = quotas.PROFILES[profile].of(resource_type)

    assert quota.limit > 0
    assert " " in quota.unit or quota.unit == "channels"


@pytest.mark.parametrize(
    ("limit", "is_counted"),
    [(quotas.AWS.channels, True), (quotas.GENEROUS - 1, True), (quotas.GENEROUS, False)],
)
def test_what_a_generous_quota_allows_is_not_counted(limit, is_counted):
    assert quotas.Quotas(channels=limit).of("channel").is_counted is is_counted


def test_aws_limits_the_rate_of_every_operation_of_the_model():
    assert set(quotas.AWS_CALLS_PER_S) == OPERATIONS - {"PutMetadata"}


AWS = [
    # figure,                          AWS's
    (quotas.AWS.channels, 5000),
    (quotas.AWS.stream_keys_per_channel, 1),
    (quotas.AWS.playback_key_pairs, 3),
    (quotas.AWS.recording_configurations, 20),
    (quotas.AWS.playback_restriction_policies, 3),
    (quotas.AWS.ad_configurations, 20),
    (quotas.AWS.put_metadata_per_channel_per_s, 5),
    (quotas.AWS.put_metadata_per_account_per_s, 155),
    (quotas.AWS_CALLS_PER_S["CreateChannel"], 5),
    (quotas.AWS_CALLS_PER_S["ImportPlaybackKeyPair"], 3),
    (quotas.AWS_CALLS_PER_S["TagResource"], 10),
    (quotas.AWS_CALLS_PER_S["InsertAdBreak"], 1),
    (quotas.AWS_CALLS_PER_S["BatchStartViewerSessionRevocation"], 2),
    (quotas.AWS_CALLS_PER_S["StartViewerSessionRevocation"], 10),
]


@pytest.mark.parametrize(("ours", "aws"), AWS)
def test_the_profile_aws_has_its_documented_figures(ours, aws):
    assert ours == aws


def test_the_default_profile_keeps_what_clients_rely_on():
    assert quotas.DEFAULT.stream_keys_per_channel == 1
    assert quotas.DEFAULT.put_metadata_per_channel_per_s == 5
    assert quotas.DEFAULT.put_metadata_per_account_per_s == 155
    assert not quotas.DEFAULT.calls_per_s
