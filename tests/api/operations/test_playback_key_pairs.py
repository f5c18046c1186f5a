import asyncio
import hashlib

import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

NOBODY = "arn:aws:ivs:eu-west-1:123456789012:playback-key/abcdABCDefgh"
KEYS = [ec.generate_private_key(ec.SECP384R1()) for _ in range(4)]
PEMS = [
    key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    for key in KEYS
]


def put(client, pem=PEMS[0], **arguments):
    return client.import_playback_key_pair(publicKeyMaterial=pem, **arguments)["keyPair"]


def refused(client, code, says, call, /, **arguments):
    with pytest.raises(getattr(client.exceptions, code), match=says):
        call(**arguments)


def test_an_import_is_known_by_its_fingerprint(ivs):
    made = put(ivs, name="a-B_1", tags={"k": "v"})

    der = KEYS[0].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    fingerprint = hashlib.md5(der, usedforsecurity=False).digest().hex(":")
    assert made == {
        "arn": made["arn"], "name": "a-B_1", "fingerprint": fingerprint, "tags": {"k": "v"},
    }  # fmt: skip
    assert made["arn"].startswith("arn:aws:ivs:eu-west-1:123456789012:playback-key/")
    assert ivs.get_playback_key_pair(arn=made["arn"])["keyPair"] == made


def test_the_defaults_are_an_empty_name_and_no_tags(ivs):
    made = put(ivs)

    assert (made["name"], made["tags"]) == ("", {})


def test_a_list_shows_no_fingerprints_and_nothing_ever_shows_the_key(ivs, service):
    made = put(ivs)
    ivs.get_playback_key_pair(arn=made["arn"])

    (summary,) = ivs.list_playback_key_pairs()["keyPairs"]

    assert summary == {"arn": made["arn"], "name": "", "tags": {}}
    line = PEMS[0].splitlines()[1].encode()
    assert not any(line in response.body for response in service.responses)


AGAIN = [
    ("as it was",  PEMS[0]),
    ("CRLF",       PEMS[0].replace("\n", "\r\n")),
    ("trimmed",    PEMS[0].strip()),
]  # fmt: skip


@pytest.mark.parametrize("pem", [row[1] for row in AGAIN], ids=[row[0] for row in AGAIN])
def test_no_key_is_imported_twice_into_a_scope(ivs, service, pem):
    made = put(ivs)

    refused(ivs, "ConflictException", made["fingerprint"], put, client=ivs, pem=pem, name="other")
    assert service.responses[-1].status == 409
    assert put(service.client(region="us-east-1"), pem)["fingerprint"] == made["fingerprint"]


def test_two_who_import_one_key_at_once_get_it_once(ivs, service):
    arn = put(ivs)["arn"]
    request = service.requests[-1]
    ivs.delete_playback_key_pair(arn=arn)

    async def both():
        return await asyncio.gather(*[service.api.respond(request) for _ in range(2)])

    statuses = [response.status for response in service.runner.run(both())]

    assert sorted(statuses) == [200, 409]
    assert len(ivs.list_playback_key_pairs()["keyPairs"]) == 1


def test_a_private_key_is_neither_repeated_nor_logged(ivs, service):
    pem = KEYS[0].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    with structlog.testing.capture_logs() as logs:
        says = r"ImportPlaybackKeyPair\.publicKeyMaterial must be the PEM .* not a private key"
        refused(ivs, "ValidationException", says, put, client=ivs, pem=pem)

    for line in pem.splitlines()[1:-1]:
        assert line not in str(logs)
        assert line.encode() not in service.responses[-1].body


@pytest.mark.parametrize("pem", ["", "garbage", "A" * 5000], ids=["empty", "garbage", "long"])
def test_what_is_no_key_is_refused(ivs, pem):
    says = r"ImportPlaybackKeyPair\.publicKeyMaterial must be the PEM of a public key"
    refused(ivs, "ValidationException", says, put, client=ivs, pem=pem)


def test_tags_of_aws_are_refused(ivs):
    refused(
        ivs, "ValidationException", r"ImportPlaybackKeyPair\.tags", put,
        client=ivs, tags={"aws:a": ""},
    )  # fmt: skip


def test_a_deleted_key_is_gone_and_may_come_back(ivs, service):
    arn = put(ivs)["arn"]

    ivs.delete_playback_key_pair(arn=arn)

    assert (service.responses[-1].status, service.responses[-1].body) == (200, b"{}")
    for call in (ivs.get_playback_key_pair, ivs.delete_playback_key_pair):
        refused(ivs, "ResourceNotFoundException", arn, call, arn=arn)
    assert put(ivs)["arn"] != arn


@pytest.mark.parametrize("name", ["get_playback_key_pair", "delete_playback_key_pair"])
def test_an_unknown_or_foreign_key_is_not_found(ivs, service, name):
    arn = put(ivs)["arn"]
    other = service.client(access_key="AKHWOTHERKEY0002")

    refused(ivs, "ResourceNotFoundException", NOBODY, getattr(ivs, name), arn=NOBODY)
    refused(other, "ResourceNotFoundException", arn, getattr(other, name), arn=arn)


def test_lists_page_by_page_in_the_order_of_creation(ivs):
    created = [put(ivs, pem)["arn"] for pem in PEMS[:3]]

    pages = list(
        ivs.get_paginator("list_playback_key_pairs").paginate(PaginationConfig={"PageSize": 2})
    )

    assert [[one["arn"] for one in page["keyPairs"]] for page in pages] == [
        created[:2], created[2:],
    ]  # fmt: skip


def test_the_quota_answers_402(ivs, service):
    for pem in PEMS[:3]:
        put(ivs, pem)

    says = "quota of 3 playback key pairs"
    refused(ivs, "ServiceQuotaExceededException", says, put, client=ivs, pem=PEMS[3])
    assert service.responses[-1].status == 402
