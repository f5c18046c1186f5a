import re
from pathlib import Path

import pytest

from headwater.core.errors import OperatorError
from headwater.node.config import load_config, reference, shown
from headwater.node.settings import all_settings

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "headwater.toml"


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_later_sources_win():
    Path("headwater.toml").write_text("[http]\nport = 1\ntls_port = 2\n[rtmp]\nport = 3\n")
    environment = {"HEADWATER_HTTP_TLS_PORT": "4", "HEADWATER_RTMP_PORT": "5"}

    config = load_config(environment, flags={"rtmp.port": "6"})

    assert config.settings.http.port == 1
    assert config.settings.http.tls_port == 4
    assert config.settings.rtmp.port == 6
    assert config.settings.rtmp.tls_port == 1936
    assert config.sources == {
        "http.port": "file headwater.toml",
        "http.tls_port": "environment HEADWATER_HTTP_TLS_PORT",
        "rtmp.port": "flag --rtmp-port",
    }


REFUSED = [
    # id,                 file,                    environment,                         says
    ("unknown section",   "[htp]\nport = 1",       {},                                  "htp.port"),
    ("top-level value",   "port = 1",              {},                                  "unknown setting port"),
    ("unknown name",      "[http]\nprt = 1",       {},                                  "did you mean http.port?"),
    ("out of range",      "[http]\nport = 65536",  {},                                  "http.port = 65536 (file headwater.toml): must be a whole number from 0 to 65535"),
    ("wrong type",        "[http]\nport = 'x'",    {},                                  "http.port = 'x'"),
    ("boolean for int",   "[http]\nport = true",   {},                                  "http.port = True"),
    ("not TOML",          "[http",                 {},                                  "is not valid TOML"),
    ("unknown variable",  None, {"HEADWATER_HTTP_PROT": "1"},                            "did you mean HEADWATER_HTTP_PORT?"),
    ("bad variable",      None, {"HEADWATER_HTTP_PORT": "abc"},                          "http.port = 'abc' (environment HEADWATER_HTTP_PORT)"),
    ("bad choice",        None, {"HEADWATER_SERVER_LOG_LEVEL": "loud"},                  "must be one of debug, error, info, warning"),
    ("bad account",       None, {"HEADWATER_SERVER_ACCOUNT_ID": "12"},                   "must be 12 digits"),
    ("trailing newline",  None, {"HEADWATER_SERVER_ACCOUNT_ID": "000000000000\n"},       "must be 12 digits"),
    ("missing file",      None, {"HEADWATER_CONFIG": "nowhere.toml"},                    "cannot read nowhere.toml"),
    ("half a second pair", None, {"HEADWATER_TLS_SECOND_KEY_FILE": "a.pem"},             "tls.second_certificate_file and tls.second_key_file belong together"),
    ("second pair alone", None, {"HEADWATER_TLS_SECOND_KEY_FILE": "a", "HEADWATER_TLS_SECOND_CERTIFICATE_FILE": "b"}, "needs tls.certificate_file"),
    ("half a pair",       None, {"HEADWATER_TLS_CERTIFICATE_FILE": "a.pem"},             "belong together"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "environment", "says"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_what_is_wrong_is_refused_by_name(file, environment, says):
    if file is not None:
        Path("headwater.toml").write_text(file)

    with pytest.raises(OperatorError, match=re.escape(says)):
        load_config(environment)


def test_each_setting_can_come_from_the_environment():
    for setting in all_settings():
        config = load_config({setting.variable: str(setting.default)})

        assert getattr(getattr(config.settings, setting.section), setting.name) == setting.default


def test_the_reference_is_a_settings_file_with_the_defaults():
    Path("headwater.toml").write_text(reference())

    config = load_config({})

    assert config.settings == load_config({}, config_file="headwater.toml").settings
    for setting in all_settings():
        value = getattr(getattr(config.settings, setting.section), setting.name)
        assert value == setting.default


def test_the_committed_reference_is_current():
    assert REFERENCE.read_text() == reference(), "run `make docs`"


def test_show_tells_each_value_and_its_source():
    config = load_config({"HEADWATER_HTTP_PORT": "0"})

    rows = {name: (value, source) for name, value, source in shown(config)}

    assert rows["http.port"] == ("0", "environment HEADWATER_HTTP_PORT")
    assert rows["server.region"] == ("'us-east-1'", "default")


def test_a_database_url_is_refused_without_showing_its_password():
    with pytest.raises(OperatorError, match=re.escape("'postgres://me:***@db'")) as refused:
        load_config({"HEADWATER_STORE_URL": "postgres://me:hunter2@db"})

    assert "hunter2" not in str(refused.value)


URLS = [
    # id,          url,                                         shown
    ("password",   "postgresql://me:hunter2@db/headwater",      "postgresql://me:***@db/headwater"),
    ("with an @",  "postgresql://me:hunter2@hunter2@db/a",      "postgresql://me:***@db/a"),
    ("option",     "postgresql://me@db/a?password=hunter2&b=c", "postgresql://me@db/a?password=***&b=c"),
    ("no secret",  "postgresql://me@db:5432/headwater",         "postgresql://me@db:5432/headwater"),
]  # fmt: skip


@pytest.mark.parametrize(("url", "hidden"), [row[1:] for row in URLS], ids=[row[0] for row in URLS])
def test_show_hides_a_password_in_the_database_url(url, hidden):
    rows = {name: value for name, value, _ in shown(load_config({"HEADWATER_STORE_URL": url}))}

    assert rows["store.url"] == repr(hidden)
