import re

import pytest

from headwater.node.recording.destinations import BUCKETS_FOLDER

NOBODY = "arn:aws:ivs:eu-west-1:123456789012:recording-configuration/abcdABCDefgh"
BUCKET = {"s3": {"bucketName": "my-bucket"}}
INTERVAL = {"recordingMode": "INTERVAL", "targetIntervalSeconds": 60, "storage": ["SEQUENTIAL"]}


def create(client, **arguments):
    answer = client.create_recording_configuration(
        **{"destinationConfiguration": BUCKET, **arguments}
    )
    return answer["recordingConfiguration"]


def get(client, arn):
    return client.get_recording_configuration(arn=arn)["recordingConfiguration"]


def refused(client, code, says, call, /, **arguments):
    with pytest.raises(getattr(client.exceptions, code), match=says):
        call(**arguments)


def test_create_gives_awss_defaults(ivs):
    made = create(ivs)

    assert re.fullmatch(
        "arn:aws:ivs:eu-west-1:123456789012:recording-configuration/[a-zA-Z0-9]{12}", made["arn"]
    )
    assert made == {
        "arn": made["arn"],
        "name": "",
        "destinationConfiguration": BUCKET,
        "state": "CREATING",
        "tags": {},
        "thumbnailConfiguration": INTERVAL,
        "recordingReconnectWindowSeconds": 0,
        "renditionConfiguration": {"renditionSelection": "ALL"},
    }


def test_create_keeps_what_was_sent(ivs, service):
    sent = {
        "name": "a-B_1",
        "tags": {"k": "v"},
        "thumbnailConfiguration": {
            "recordingMode": "INTERVAL",
            "targetIntervalSeconds": 1,
            "resolution": "LOWEST_RESOLUTION",
            "storage": ["LATEST", "SEQUENTIAL"],
        },
        "recordingReconnectWindowSeconds": 45,
        "renditionConfiguration": {"renditionSelection": "CUSTOM", "renditions": ["HD", "SD"]},
    }

    made = create(ivs, **sent)
    service.settle()

    assert sent.items() <= made.items()
    assert get(ivs, made["arn"]) == made | {"state": "ACTIVE"}


def test_is_active_when_its_bucket_was_looked_at_and_stays_so_without_it(ivs, service, tmp_path):
    arn = create(ivs)["arn"]
    service.settle()
    bucket = tmp_path / BUCKETS_FOLDER / "my-bucket"

    assert get(ivs, arn)["state"] == "ACTIVE"
    assert list(bucket.iterdir()) == []
    bucket.rmdir()
    assert get(ivs, arn)["state"] == "ACTIVE"
    (summary,) = ivs.list_recording_configurations()["recordingConfigurations"]
    assert summary["state"] == "ACTIVE"


def test_fails_when_its_bucket_cannot_be_made_and_cannot_be_attached(ivs, service, tmp_path):
    (tmp_path / BUCKETS_FOLDER).write_text("a file where the folder should be")
    arn = create(ivs)["arn"]
    service.settle()
    channel = ivs.create_channel()["channel"]["arn"]

    assert get(ivs, arn)["state"] == "CREATE_FAILED"
    says = r"\.recordingConfigurationArn must not be one whose state is CREATE_FAILED"
    for call, arguments in [(ivs.create_channel, {}), (ivs.update_channel, {"arn": channel})]:
        refused(ivs, "ValidationException", says, call, recordingConfigurationArn=arn, **arguments)
    ivs.delete_recording_configuration(arn=arn)


def test_one_that_is_being_created_can_be_attached_and_its_channels_listed(ivs):
    arn = create(ivs)["arn"]
    ivs.create_channel()

    channel = ivs.create_channel(recordingConfigurationArn=arn)["channel"]

    assert channel["recordingConfigurationArn"] == arn
    (listed,) = ivs.list_channels(filterByRecordingConfigurationArn=arn)["channels"]
    assert listed["arn"] == channel["arn"]


THUMBNAILS = [
    # id,                 sent,                                          stored
    ("nothing",           {},                                            INTERVAL),
    ("null",              None,                                          INTERVAL),
    ("interval",          {"targetIntervalSeconds": 5},                  INTERVAL | {"targetIntervalSeconds": 5}),
    ("resolution",        {"resolution": "SD"},                          INTERVAL | {"resolution": "SD"}),
    ("null resolution",   {"resolution": None},                          INTERVAL),
    ("storage",           {"storage": ["LATEST"]},                       INTERVAL | {"storage": ["LATEST"]}),
    ("no storage",        {"storage": []},                               INTERVAL),
    ("disabled",          {"recordingMode": "DISABLED"},                 {"recordingMode": "DISABLED"}),
    ("disabled, with more", {"recordingMode": "DISABLED", "resolution": "HD", "storage": ["LATEST"]},
     {"recordingMode": "DISABLED", "resolution": "HD", "storage": ["LATEST"]}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("sent", "stored"), [row[1:] for row in THUMBNAILS], ids=[row[0] for row in THUMBNAILS]
)
def test_thumbnails_have_awss_defaults(ivs, sent, stored):
    made = create(ivs, thumbnailConfiguration=sent)

    assert made["thumbnailConfiguration"] == stored
    assert get(ivs, made["arn"])["thumbnailConfiguration"] == stored


RENDITIONS = [
    ("nothing",      {},                                                           {"renditionSelection": "ALL"}),
    ("none",         {"renditionSelection": "NONE"},                               {"renditionSelection": "NONE"}),
    ("custom",       {"renditionSelection": "CUSTOM", "renditions": ["FULL_HD"]},  {"renditionSelection": "CUSTOM", "renditions": ["FULL_HD"]}),
    ("of no effect", {"renditions": ["HD"]},                                       {"renditionSelection": "ALL", "renditions": ["HD"]}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("sent", "stored"), [row[1:] for row in RENDITIONS], ids=[row[0] for row in RENDITIONS]
)
def test_renditions_have_awss_defaults(ivs, sent, stored):
    assert create(ivs, renditionConfiguration=sent)["renditionConfiguration"] == stored


REFUSED = [
    ("no destination", {"destinationConfiguration": {}},
     r"CreateRecordingConfiguration\.destinationConfiguration\.s3 is a required attribute"),
    ("no bucket", {"destinationConfiguration": {"s3": {}}},
     r"destinationConfiguration\.s3\.bucketName is a required attribute"),
    ("bucket in capitals", {"destinationConfiguration": {"s3": {"bucketName": "Bucket"}}},
     r"s3\.bucketName must be a string of 3 to 63 characters matching \[a-z0-9-\.\]\+"),
    ("way out of the folder", {"destinationConfiguration": {"s3": {"bucketName": "../x"}}},
     "bucketName must be"),
    ("interval of none", {"thumbnailConfiguration": {"recordingMode": "DISABLED", "targetIntervalSeconds": 5}},
     "targetIntervalSeconds is allowed only with the recordingMode INTERVAL"),
    ("interval too long", {"thumbnailConfiguration": {"targetIntervalSeconds": 61}},
     "targetIntervalSeconds must be an integer from 1 to 60"),
    ("storage twice", {"thumbnailConfiguration": {"storage": ["LATEST", "LATEST"]}},
     r"thumbnailConfiguration\.storage must not have the same item twice"),
    ("custom of nothing", {"renditionConfiguration": {"renditionSelection": "CUSTOM"}},
     r"renditionConfiguration\.renditions is required with the renditionSelection CUSTOM"),
    ("custom of none", {"renditionConfiguration": {"renditionSelection": "CUSTOM", "renditions": []}},
     "renditions is required"),
    ("rendition twice", {"renditionConfiguration": {"renditions": ["SD", "HD", "SD"]}},
     "renditions must not have the same item twice"),
    ("tags of AWS", {"tags": {"aws:a": ""}}, r"CreateRecordingConfiguration\.tags"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "says"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_refuses_what_does_not_go_together(ivs, arguments, says):
    refused(ivs, "ValidationException", says, create, client=ivs, **arguments)
    assert ivs.list_recording_configurations()["recordingConfigurations"] == []


def test_names_may_repeat_and_so_may_buckets(ivs):
    assert len({create(ivs, name="a")["arn"] for _ in range(2)}) == 2


def test_a_summary_is_the_first_half_of_it(ivs, service):
    arn = create(ivs, name="a", tags={"k": "v"})["arn"]
    service.settle()
    made = get(ivs, arn)

    (summary,) = ivs.list_recording_configurations()["recordingConfigurations"]

    names = ("arn", "name", "destinationConfiguration", "state", "tags")
    assert summary == {name: made[name] for name in names}


def test_lists_page_by_page_in_the_order_of_creation(ivs):
    created = [create(ivs)["arn"] for _ in range(3)]

    pages = list(
        ivs.get_paginator("list_recording_configurations").paginate(
            PaginationConfig={"PageSize": 2}
        )
    )

    assert [[one["arn"] for one in page["recordingConfigurations"]] for page in pages] == [
        created[:2], created[2:],
    ]  # fmt: skip


def test_is_not_deleted_while_a_channel_has_it(ivs, service):
    arn = create(ivs)["arn"]
    channel = ivs.create_channel(recordingConfigurationArn=arn)["channel"]["arn"]

    says = f"{arn} is attached to a channel"
    refused(ivs, "ConflictException", says, ivs.delete_recording_configuration, arn=arn)
    assert service.responses[-1].status == 409
    ivs.update_channel(arn=channel, recordingConfigurationArn="")
    ivs.delete_recording_configuration(arn=arn)

    assert (service.responses[-1].status, service.responses[-1].body) == (204, b"")
    for call in (ivs.get_recording_configuration, ivs.delete_recording_configuration):
        refused(ivs, "ResourceNotFoundException", arn, call, arn=arn)


def test_one_of_another_scope_is_not_found_and_not_attached(ivs, service):
    arn = create(ivs)["arn"]

    for other in (
        service.client(region="us-east-1"),
        service.client(access_key="AKHWOTHERKEY0002"),
    ):
        for call in (other.get_recording_configuration, other.delete_recording_configuration):
            refused(other, "ResourceNotFoundException", arn, call, arn=arn)
        refused(
            other, "ResourceNotFoundException", arn, other.create_channel,
            recordingConfigurationArn=arn,
        )  # fmt: skip
        assert other.list_recording_configurations()["recordingConfigurations"] == []


def test_an_empty_arn_is_none(ivs):
    refused(ivs, "ValidationException", "arn", ivs.get_recording_configuration, arn="")
    refused(ivs, "ResourceNotFoundException", NOBODY, ivs.get_recording_configuration, arn=NOBODY)


def test_the_quota_answers_402(ivs, service):
    for _ in range(4):
        create(ivs)

    says = "quota of 4 recording configurations"
    refused(ivs, "ServiceQuotaExceededException", says, create, client=ivs)
    assert service.responses[-1].status == 402
