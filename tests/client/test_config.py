import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.client.config import Settings, read_config
from headwater.client.errors import ConfigurationError

CREDS = {"access_key_id": "AKID", "secret_access_key": "hidden", "session_token": "token"}
REST = {
    "endpoint": "https://ivs.example.com",
    "region": "eu-west-1",
    "close_connection": True,
    "timeout": 2.5,
    "s3_force_path_style": True,
}

ACCEPTED = [
    # id, configuration, settings that differ from the defaults
    ("nothing", {}, {}),
    ("nested as in paws", {"credentials": {"creds": CREDS, "profile": "p", "anonymous": True}, **REST}, {**CREDS, **REST, "profile": "p", "anonymous": True}),
    ("flat", {**CREDS, **REST, "profile": "p", "anonymous": False}, {**CREDS, **REST, "profile": "p"}),
    ("None and empty text are left out", {"credentials": None, "region": "", "timeout": None, "access_key_id": "AKID", "session_token": ""}, {"access_key_id": "AKID"}),
    ("empty nested mappings", {"credentials": {"creds": {}}}, {}),
    ("a whole number of seconds", {"timeout": 5}, {"timeout": 5}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("config", "settings"), [row[1:] for row in ACCEPTED], ids=[row[0] for row in ACCEPTED]
)
def test_reads(config, settings):
    assert read_config(config) == Settings(**settings)


def test_the_default_timeout_is_sixty_seconds():
    assert read_config({}).timeout == 60


REFUSED = [
    # id, configuration, what the text says
    ("unknown name", {"regon": "x"}, r"config\['regon'\] is not known; allowed: credentials, endpoint, region"),
    ("unknown name in credentials", {"credentials": {"key": "x"}}, r"config\['credentials'\]\['key'\] is not known; allowed: creds, profile, anonymous"),
    ("unknown name in creds", {"credentials": {"creds": {"secret": "x"}}}, r"\['creds'\]\['secret'\] is not known; allowed: access_key_id"),
    ("given twice", {"credentials": {"creds": CREDS}, "access_key_id": "AKID"}, r"config\['access_key_id'\]: access_key_id is given a second time"),
    ("credentials no mapping", {"credentials": "AKID"}, r"config\['credentials'\] must be a mapping of creds, profile, anonymous"),
    ("region no text", {"region": 1}, r"config\['region'\] must be text"),
    ("switch no bool", {"close_connection": "yes"}, r"config\['close_connection'\] must be True or False"),
    ("timeout zero", {"timeout": 0}, r"config\['timeout'\] must be a number of seconds above 0"),
    ("timeout endless", {"timeout": float("inf")}, r"config\['timeout'\] must be a number of seconds above 0, at most 86400"),
    ("timeout bool", {"timeout": True}, r"config\['timeout'\] must be a number"),
    ("timeout text", {"timeout": "60"}, r"config\['timeout'\] must be a number"),
    ("endpoint without scheme", {"endpoint": "localhost:8080"}, r"config\['endpoint'\] must be an http:// or https:// URL"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("config", "says"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_refuses(config, says):
    with pytest.raises(ConfigurationError, match=says):
        read_config(config)


def test_neither_errors_nor_reprs_show_secrets():
    assert "hidden" not in repr(read_config(CREDS))
    assert "token" not in repr(read_config(CREDS)).replace("session_token", "")
    with pytest.raises(ConfigurationError) as error:
        read_config({**CREDS, "credentials": {"creds": CREDS}})
    assert "hidden" not in str(error.value)


NAMES = st.sampled_from([*REST, *CREDS, "credentials", "creds", "profile", "anonymous", "other"])
VALUES = st.none() | st.booleans() | st.floats() | st.sampled_from(["", "x", "http://x", b"x"])
LEVEL = st.dictionaries(NAMES, VALUES, max_size=3)
CONFIGS = st.dictionaries(NAMES, VALUES | st.dictionaries(NAMES, VALUES | LEVEL, max_size=3))


@given(CONFIGS)
def test_any_mapping_is_read_or_refused(config):
    with contextlib.suppress(ConfigurationError):
        assert read_config(config).timeout > 0
