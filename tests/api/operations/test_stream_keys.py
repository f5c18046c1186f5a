import asyncio

import pytest

from headwater.store.records import Position

NO_CHANNEL = "arn:aws:ivs:eu-west-1:123456789012:channel/abcdABCDefgh"
NO_KEY = "arn:aws:ivs:eu-west-1:123456789012:stream-key/abcdABCDefgh"


@pytest.fixture
def created(ivs):
    return ivs.create_channel()


def test_get_shows_the_value_and_list_does_not(ivs, created):
    key = created["streamKey"]

    assert ivs.get_stream_key(arn=key["arn"])["streamKey"] == key
    (summary,) = ivs.list_stream_keys(channelArn=key["channelArn"])["streamKeys"]
    assert summary == {name: value for name, value in key.items() if name != "value"}


def test_a_channel_has_one_key_and_a_reset_makes_another(ivs, service, created):
    old, arn = created["streamKey"], created["channel"]["arn"]

    with pytest.raises(ivs.exceptions.ServiceQuotaExceededException, match="quota of 1"):
        ivs.create_stream_key(channelArn=arn)
    assert service.responses[-1].status == 402
    ivs.delete_stream_key(arn=old["arn"])
    assert (service.responses[-1].status, service.responses[-1].body) == (204, b"")
    assert ivs.list_stream_keys(channelArn=arn)["streamKeys"] == []
    new = ivs.create_stream_key(channelArn=arn, tags={"a": "b"})["streamKey"]

    assert new["tags"] == {"a": "b"}
    assert new["value"] != old["value"]
    assert ivs.get_stream_key(arn=new["arn"])["streamKey"] == new


def test_two_who_create_at_once_get_one_key(ivs, service, created):
    arn = created["channel"]["arn"]
    ivs.delete_stream_key(arn=created["streamKey"]["arn"])
    key = ivs.create_stream_key(channelArn=arn)["streamKey"]
    request = service.requests[-1]
    ivs.delete_stream_key(arn=key["arn"])

    async def both():
        return await asyncio.gather(*[service.api.respond(request) for _ in range(2)])

    statuses = [response.status for response in service.runner.run(both())]

    assert sorted(statuses) == [200, 402]
    assert len(ivs.list_stream_keys(channelArn=arn, maxResults=50)["streamKeys"]) == 1


def test_deleting_the_key_of_a_live_stream_does_not_end_it(ivs, service, created):
    service.live.connected.add(created["channel"]["arn"])

    ivs.delete_stream_key(arn=created["streamKey"]["arn"])

    assert service.live.stopped == []


def test_tags_of_aws_are_refused(ivs, created):
    with pytest.raises(ivs.exceptions.ValidationException, match=r"CreateStreamKey\.tags"):
        ivs.create_stream_key(channelArn=created["channel"]["arn"], tags={"aws:a": ""})


@pytest.mark.parametrize("name", ["create_stream_key", "list_stream_keys"])
def test_an_unknown_channel_is_not_found(ivs, name):
    with pytest.raises(ivs.exceptions.ResourceNotFoundException, match=NO_CHANNEL):
        getattr(ivs, name)(channelArn=NO_CHANNEL)


@pytest.mark.parametrize("name", ["get_stream_key", "delete_stream_key"])
def test_an_unknown_key_is_not_found(ivs, name):
    with pytest.raises(ivs.exceptions.ResourceNotFoundException, match=NO_KEY):
        getattr(ivs, name)(arn=NO_KEY)


def test_a_key_of_another_account_is_not_found(service, created):
    other = service.client(access_key="AKHWOTHERKEY0002")
    arn = created["streamKey"]["arn"]

    with pytest.raises(other.exceptions.ResourceNotFoundException):
        other.get_stream_key(arn=arn)
    assert other.batch_get_stream_key(arns=[arn])["streamKeys"] == []


def test_a_missing_channel_arn_is_told_in_awss_words(ivs):
    with pytest.raises(ivs.exceptions.ValidationException) as caught:
        ivs.create_stream_key()

    text = caught.value.response["Error"]["Message"]
    assert text == "CreateStreamKey.channelArn is a required attribute"


def test_batch_get_shows_values_and_names_the_missing(ivs, created):
    second = ivs.create_channel()["streamKey"]
    first = created["streamKey"]

    answer = ivs.batch_get_stream_key(arns=[second["arn"], NO_KEY, first["arn"]])

    assert answer["streamKeys"] == [second, first]
    assert answer["errors"] == [
        {"arn": NO_KEY, "code": "404", "message": f"Resource: {NO_KEY} does not exist"}
    ]


def test_a_token_of_another_channel_is_refused(ivs, service, created):
    other = ivs.create_channel()["channel"]["arn"]
    # The quota leaves no second page, so the token is made as one would be.
    token = service.api._tokens.write(
        Position(0, "a"),
        ("ListStreamKeys", "123456789012", "eu-west-1", "channel_id", other.split("/")[1]),
    )

    assert len(ivs.list_stream_keys(channelArn=other, nextToken=token)["streamKeys"]) == 1
    with pytest.raises(ivs.exceptions.ValidationException, match="nextToken"):
        ivs.list_stream_keys(channelArn=created["channel"]["arn"], nextToken=token)
