import stat

import pytest
from cryptography import x509

from headwater.core.errors import OperatorError
from headwater.node.certificate import certificate_files, server_context


def made(tmp_path, hosts=("localhost", "127.0.0.1")):
    return certificate_files(certificate_file="", key_file="", data_dir=tmp_path, hosts=list(hosts))


def test_the_first_start_makes_a_pair_that_later_starts_keep(tmp_path):
    files = made(tmp_path)
    first = files.certificate.read_bytes()

    assert made(tmp_path) == files
    assert files.certificate.read_bytes() == first
    assert server_context(files) is not None


def test_the_key_is_readable_by_its_owner_only(tmp_path):
    assert stat.S_IMODE(made(tmp_path).key.stat().st_mode) == 0o600


def test_the_certificate_names_its_hosts(tmp_path):
    pem = made(tmp_path).certificate.read_bytes()

    names = x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.value.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(ip) for ip in names.value.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


def test_an_unusable_pair_is_refused_by_name(tmp_path):
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate")

    with pytest.raises(OperatorError, match=r"tls\.certificate_file = .*bad\.pem"):
        certificate_files(
            certificate_file=str(bad), key_file=str(bad), data_dir=tmp_path, hosts=["localhost"]
        )


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(OperatorError, match="No such file"):
        certificate_files(
            certificate_file=str(tmp_path / "a"),
            key_file=str(tmp_path / "b"),
            data_dir=tmp_path,
            hosts=["localhost"],
        )
