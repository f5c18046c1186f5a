import pytest

from api.people import user_client

NO_CHANNEL = "arn:aws:ivs:eu-west-1:123456789012:channel/abcdABCDefgh"
FOREIGN = "arn:aws:ivs:eu-west-1:210987654321:channel/abcdABCDefgh"
LAST_VERSION = 2**31 - 1


@pytest.fixture
def arn(ivs):
    return ivs.create_channel()["channel"]["arn"]


def start(client, arn, viewer_id="v", version=None):
    wish = {} if version is None else {"viewerSessionVersionsLessThanOrEqualTo": version}
    return client.start_viewer_session_revocation(channelArn=arn, viewerId=viewer_id, **wish)


def session(arn, viewer_id="v", version=0):
    return {
        "channelArn": arn,
        "viewerId": viewer_id,
        "viewerSessionVersionsLessThanOrEqualTo": version,
    }


def batch(client, *sessions):
    return client.batch_start_viewer_session_revocation(viewerSessions=list(sessions))


def revoked(service, arn, viewer_id="v"):
    async def look():
        async with service.store.read() as work:
            found = await work.revocation(arn.rpartition("/")[2], viewer_id)
            return found and found.versions_up_to

    return service.runner.run(look())


def test_nobody_has_to_be_watching(ivs, service, arn):
    start(ivs, arn)

    assert (service.responses[-1].status, service.responses[-1].body) == (200, b"{}")
    assert revoked(service, arn) == 0
    assert revoked(service, arn, "w") is None


def test_a_lower_version_later_changes_nothing(ivs, service, arn):
    for version, expected in [(3, 3), (None, 3), (2, 3), (4, 4), (LAST_VERSION, LAST_VERSION)]:
        start(ivs, arn, version=version)
        assert revoked(service, arn) == expected


WRONG = [
    # id,              member,                                     value
    ("no viewer",      "viewerId",                                 ""),
    ("long viewer",    "viewerId",                                 41 * "v"),
    ("version",        "viewerSessionVersionsLessThanOrEqualTo",   -1),
    ("33 bits",        "viewerSessionVersionsLessThanOrEqualTo",   2**31),
    ("77 bits",        "viewerSessionVersionsLessThanOrEqualTo",   2**77),
    ("another arn",    "channelArn",                               "nope"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("member", "value"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG]
)
def test_wrong_members_are_refused(ivs, arn, member, value):
    wrong = {**session(arn), member: value}

    with pytest.raises(ivs.exceptions.ValidationException, match=member):
        ivs.start_viewer_session_revocation(**wrong)
    with pytest.raises(ivs.exceptions.ValidationException, match=member):
        batch(ivs, session(arn), wrong)


def test_an_unknown_channel_is_not_found(ivs):
    with pytest.raises(ivs.exceptions.ResourceNotFoundException, match=NO_CHANNEL):
        start(ivs, NO_CHANNEL)


def test_a_batch_revokes_all_it_can_and_says_which_it_cannot(ivs, service, arn):
    answer = batch(
        ivs,
        session(NO_CHANNEL, "a", 1),
        session(arn, "v", 2),
        session(FOREIGN, "b"),
        session(arn, "w", 3),
        session(NO_CHANNEL, "a", 9),
        session(arn, "v", 1),
    )

    assert answer["errors"] == [
        {
            "channelArn": each,
            "viewerId": viewer,
            "code": "404",
            "message": f"Resource: {each} does not exist",
        }
        for each, viewer in ((NO_CHANNEL, "a"), (FOREIGN, "b"))
    ]
    assert (revoked(service, arn), revoked(service, arn, "w")) == (2, 3)


def test_a_batch_without_errors_has_no_list_of_them(ivs, service, arn):
    assert "errors" not in batch(ivs, *[session(arn, f"v{number}") for number in range(20)])
    assert service.responses[-1].body == b"{}"


@pytest.mark.parametrize("count", [0, 21])
def test_a_batch_has_one_to_twenty(ivs, arn, count):
    with pytest.raises(ivs.exceptions.ValidationException, match="a list of 1 to 20 items"):
        batch(ivs, *[session(arn)] * count)


def test_of_what_the_caller_may_not_nothing_is_told(ivs, service, arn):
    allowed = ivs.create_channel()["channel"]["arn"]
    user = user_client(
        service,
        "ana",
        {"Effect": "Allow", "Action": "ivs:BatchStartViewerSessionRevocation", "Resource": allowed},
    )

    answer = batch(user, session(arn), session(NO_CHANNEL), session(allowed))

    assert [(each["channelArn"], each["code"], each["message"]) for each in answer["errors"]] == [
        (arn, "403", "not authorized"),
        (NO_CHANNEL, "403", "not authorized"),
    ]
    assert (revoked(service, arn), revoked(service, allowed)) == (None, 0)


def test_revocations_go_with_their_channel(ivs, service, arn):
    start(ivs, arn)
    ivs.delete_channel(arn=arn)

    assert revoked(service, arn) is None
