import re

import pytest

NOBODY = "arn:aws:ivs:eu-west-1:123456789012:failover-slate-configuration/abcdABCDefgh"


def create(client, **arguments):
    return client.create_failover_slate_configuration(**arguments)["failoverSlateConfiguration"]


def test_create_gives_awss_defaults_and_get_and_list_show_the_same(ivs):
    made = create(ivs)

    assert re.fullmatch(NOBODY.replace("abcdABCDefgh", "[a-zA-Z0-9]{12}"), made["arn"])
    assert made == {
        "arn": made["arn"],
        "name": "",
        "activationThresholdSeconds": 3,
        "minSlateDisplaySeconds": 3,
        "maxSlateDisplaySeconds": 60,
        "state": "CREATED",
        "tags": {},
    }
    shown = ivs.get_failover_slate_configuration(arn=made["arn"])
    assert shown["failoverSlateConfiguration"] == made
    listed = ivs.list_failover_slate_configurations()
    assert listed["failoverSlateConfigurations"] == [made]


def test_update_keeps_what_is_not_sent(ivs):
    wishes = {
        "name": "a-B_1",
        "activationThresholdSeconds": 5,
        "minSlateDisplaySeconds": 10,
        "maxSlateDisplaySeconds": 180,
        "tags": {"k": "v"},
    }
    made = create(ivs, **wishes)
    assert {name: made[name] for name in wishes} == wishes

    update = ivs.update_failover_slate_configuration
    assert update(arn=made["arn"])["failoverSlateConfiguration"] == made
    changes = {"name": "", "maxSlateDisplaySeconds": 60}
    changed = update(arn=made["arn"], **changes)["failoverSlateConfiguration"]

    assert changed == {**made, **changes}
    shown = ivs.get_failover_slate_configuration(arn=made["arn"])
    assert shown["failoverSlateConfiguration"] == changed


REFUSED = [
    # member,                      values,     allowed
    ("activationThresholdSeconds", (2, 6),     "from 3 to 5"),
    ("minSlateDisplaySeconds",     (2, 11),    "from 3 to 10"),
    ("maxSlateDisplaySeconds",     (59, 181),  "from 60 to 180"),
    ("name",                       ("a b", 1), "a string"),
]  # fmt: skip


@pytest.mark.parametrize(("member", "values", "text"), REFUSED, ids=[row[0] for row in REFUSED])
def test_values_out_of_bounds_are_refused_by_create_and_update(ivs, member, values, text):
    made = create(ivs)
    for value in values:
        with pytest.raises(ivs.exceptions.ValidationException, match=f"{member} must be .*{text}"):
            create(ivs, **{member: value})
        with pytest.raises(ivs.exceptions.ValidationException, match=f"{member} must be .*{text}"):
            ivs.update_failover_slate_configuration(arn=made["arn"], **{member: value})


def test_one_that_a_channel_has_is_not_deleted(ivs, service):
    arn = create(ivs)["arn"]
    channel = ivs.create_channel(failoverSlateConfigurationArn=arn)["channel"]

    with pytest.raises(ivs.exceptions.ConflictException, match="attached to a channel"):
        ivs.delete_failover_slate_configuration(arn=arn)
    ivs.update_channel(arn=channel["arn"], failoverSlateConfigurationArn="")
    ivs.delete_failover_slate_configuration(arn=arn)

    assert service.responses[-1].status == 204
    with pytest.raises(ivs.exceptions.ResourceNotFoundException):
        ivs.get_failover_slate_configuration(arn=arn)


@pytest.mark.parametrize("name", ["get", "update", "delete"])
def test_an_unknown_one_is_not_found(ivs, name):
    with pytest.raises(ivs.exceptions.ResourceNotFoundException, match=NOBODY):
        getattr(ivs, f"{name}_failover_slate_configuration")(arn=NOBODY)


def test_tags_of_aws_are_refused(ivs):
    with pytest.raises(ivs.exceptions.ValidationException, match=r"Configuration\.tags"):
        create(ivs, tags={"aws:a": ""})
