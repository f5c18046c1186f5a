import botocore.session
import pytest

from headwater.auth.managed import MANAGED
from headwater.auth.policy import Decision, decide, parse_policy

OPERATIONS = botocore.session.Session().get_service_model("ivs").operation_names
ARN = "arn:aws:ivs:eu-west-1:123456789012:channel/abcdABCDefgh"


def allowed(name):
    policy = parse_policy(MANAGED[name])
    return {
        one for one in OPERATIONS if decide([policy], f"ivs:{one}", ARN, {}) is Decision.ALLOWED
    }


def test_full_access_allows_every_operation():
    assert allowed("IVSFullAccess") == set(OPERATIONS)


def test_read_only_access_reads_and_sees_no_stream_key():
    found = allowed("IVSReadOnlyAccess")

    assert all(one.startswith(("Get", "List", "BatchGet")) for one in found)
    assert {"GetChannel", "ListChannels", "GetStream", "ListTagsForResource"} < found
    assert not {"GetStreamKey", "BatchGetStreamKey"} & found


@pytest.mark.parametrize("name", MANAGED)
def test_a_managed_policy_is_a_current_document(name):
    assert parse_policy(MANAGED[name]).version == "2012-10-17"
