import re

import pytest

from headwater.core.countries import COUNTRIES

NOBODY = "arn:aws:ivs:eu-west-1:123456789012:playback-restriction-policy/abcdABCDefgh"


def create(client, **arguments):
    return client.create_playback_restriction_policy(**arguments)["playbackRestrictionPolicy"]


def get(client, arn):
    return client.get_playback_restriction_policy(arn=arn)["playbackRestrictionPolicy"]


def update(client, arn, **changes):
    answer = client.update_playback_restriction_policy(arn=arn, **changes)
    return answer["playbackRestrictionPolicy"]


def refused(client, code, says, call, /, **arguments):
    with pytest.raises(getattr(client.exceptions, code), match=says):
        call(**arguments)


def test_create_without_arguments_restricts_nothing(ivs):
    made = create(ivs)

    assert re.fullmatch(
        "arn:aws:ivs:eu-west-1:123456789012:playback-restriction-policy/[a-zA-Z0-9]{12}",
        made["arn"],
    )
    assert made == {
        "arn": made["arn"],
        "allowedCountries": [],
        "allowedOrigins": [],
        "enableStrictOriginEnforcement": False,
        "name": "",
        "tags": {},
    }


def test_create_keeps_what_was_sent(ivs):
    sent = {
        "allowedCountries": ["US", "CH"],
        "allowedOrigins": ["https://example.com", "https://*.example.org:8443"],
        "enableStrictOriginEnforcement": True,
        "name": "a-B_1",
        "tags": {"k": "v"},
    }

    made = create(ivs, **sent)

    assert made == sent | {"arn": made["arn"]}
    assert get(ivs, made["arn"]) == made
    assert ivs.list_playback_restriction_policies()["playbackRestrictionPolicies"] == [made]


ORIGINS = [
    "https://example.com", "http://localhost:3000", "https://*.example.com", "https://192.0.2.1",
    "https://[2001:db8::1]:8443", "https://a_b.example", "capacitor://localhost", "null",
    "https://example.com:65535", "https://EXAMPLE.com", "https://xn--bcher-kva.example",
]  # fmt: skip
NO_ORIGINS = [
    "", "*", "example.com", "https://", "https://example.com/", "https://example.com/path",
    "https://example.com:", "https://example.com:65536", "https://example.com:999999",
    "https://*", "https://*.", "https://a.*.example.com", "https://*example.com", "//example.com",
    "https://user@example.com", "https://example.com?x", "https://exa mple.com", "HTTPS://a.com",
    "https://-a.com", "https://a..com", "https://bücher.example", "https://example.com\n", "NULL",
]  # fmt: skip


@pytest.mark.parametrize("origin", ORIGINS)
def test_allows_what_a_browser_sends_as_origin_and_a_wildcard_for_subdomains(ivs, origin):
    assert create(ivs, allowedOrigins=[origin])["allowedOrigins"] == [origin]


@pytest.mark.parametrize("origin", NO_ORIGINS)
def test_refuses_an_origin_that_no_browser_sends(ivs, origin):
    arn = create(ivs)["arn"]
    origins = ["https://example.net", origin]

    says = r"RestrictionPolicy\.allowedOrigins\[1\] must be an origin such as https://example"
    refused(ivs, "ValidationException", says, create, client=ivs, allowedOrigins=origins)
    refused(ivs, "ValidationException", says, update, client=ivs, arn=arn, allowedOrigins=origins)


@pytest.mark.parametrize("country", ["us", "Us", "XX", "UK", "ZZ", "EU", "XK", "1A", "ÄÖ"])
def test_refuses_a_country_that_iso_does_not_know(ivs, country):
    arn = create(ivs)["arn"]
    countries = ["US", country]

    says = r"\.allowedCountries\[1\] must be an ISO 3166-1 alpha-2 code in capital letters"
    refused(ivs, "ValidationException", says, create, client=ivs, allowedCountries=countries)
    refused(
        ivs, "ValidationException", says, update, client=ivs, arn=arn, allowedCountries=countries
    )


REFUSED = [
    ("201 countries", {"allowedCountries": sorted(COUNTRIES)[:201]}, "allowedCountries must be a list of at most 200 items"),
    ("6 origins", {"allowedOrigins": [f"https://{n}.example" for n in range(6)]}, "allowedOrigins must be a list of at most 5 items"),
    ("country twice", {"allowedCountries": ["US", "CH", "US"]}, "allowedCountries must not have the same item twice"),
    ("origin twice", {"allowedOrigins": ["https://a.com"] * 2}, "allowedOrigins must not have the same item twice"),
    ("long origin", {"allowedOrigins": ["https://" + "a" * 121]}, r"allowedOrigins\[\.\.\.\]|each value|allowedOrigins\[0\]"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "says"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_refuses_lists_that_are_too_long_or_repeat(ivs, arguments, says):
    arn = create(ivs)["arn"]

    refused(ivs, "ValidationException", says, create, client=ivs, **arguments)
    refused(ivs, "ValidationException", says, update, client=ivs, arn=arn, **arguments)


def test_allows_200_countries_and_5_origins(ivs):
    sent = {
        "allowedCountries": sorted(COUNTRIES)[:200],
        "allowedOrigins": [f"https://{number}.example" for number in range(5)],
    }

    assert sent.items() <= create(ivs, **sent).items()


def test_an_update_changes_what_was_sent_and_keeps_the_rest(ivs):
    before = create(
        ivs, allowedCountries=["US"], allowedOrigins=["https://a.com"], name="a", tags={"k": "v"}
    )
    arn = before["arn"]

    after = update(ivs, arn, allowedCountries=[], enableStrictOriginEnforcement=True)

    assert after == before | {"allowedCountries": [], "enableStrictOriginEnforcement": True}
    assert get(ivs, arn) == after
    assert update(ivs, arn) == after
    assert update(ivs, arn, name="", allowedOrigins=None) == after | {"name": ""}


def test_is_updated_and_not_deleted_while_a_channel_has_it(ivs, service):
    arn = create(ivs)["arn"]
    channel = ivs.create_channel(playbackRestrictionPolicyArn=arn)["channel"]["arn"]

    says = f"{arn} is attached to a channel"
    refused(ivs, "ConflictException", says, ivs.delete_playback_restriction_policy, arn=arn)
    assert service.responses[-1].status == 409
    assert update(ivs, arn, name="b")["name"] == "b"
    ivs.delete_channel(arn=channel)
    ivs.delete_playback_restriction_policy(arn=arn)

    assert (service.responses[-1].status, service.responses[-1].body) == (204, b"")
    refused(ivs, "ResourceNotFoundException", arn, get, client=ivs, arn=arn)


@pytest.mark.parametrize("name", ["get", "update", "delete"])
def test_an_unknown_or_foreign_policy_is_not_found(ivs, service, name):
    arn = create(ivs)["arn"]
    other = service.client(access_key="AKHWOTHERKEY0002")
    method = f"{name}_playback_restriction_policy"

    refused(ivs, "ResourceNotFoundException", NOBODY, getattr(ivs, method), arn=NOBODY)
    refused(other, "ResourceNotFoundException", arn, getattr(other, method), arn=arn)


def test_lists_one_by_default_and_page_by_page(ivs):
    created = [create(ivs)["arn"] for _ in range(3)]

    def page(**arguments):
        answer = ivs.list_playback_restriction_policies(**arguments)
        arns = [one["arn"] for one in answer["playbackRestrictionPolicies"]]
        return arns, answer.get("nextToken")

    first, token = page()
    second, end = page(maxResults=2, nextToken=token)

    assert first + second == created
    assert end is None


def test_tags_of_aws_are_refused(ivs):
    refused(ivs, "ValidationException", "aws:", create, client=ivs, tags={"aws:a": ""})


def test_the_quota_answers_402(ivs, service):
    for _ in range(3):
        create(ivs)

    says = "quota of 3 playback restriction policies"
    refused(ivs, "ServiceQuotaExceededException", says, create, client=ivs)
    assert service.responses[-1].status == 402
