import base64
import hashlib
import hmac
import re

import pytest

from headwater.core.errors import OperatorError
from headwater.core.secret import Secret
from headwater.events.signing import check_secret, new_secret, signed_headers


def test_the_signature_is_that_of_standard_webhooks():
    # The example of the specification's reference libraries.
    secret = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'

    headers = signed_headers(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)

    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_a_new_secret_signs_with_all_its_bytes():
    secret = new_secret(lambda count: bytes(range(count)))
    key = base64.b64decode(secret.reveal().removeprefix("whsec_"))
    signature = signed_headers(secret, "i", 7, b"body")["webhook-signature"]

    assert key == bytes(range(32))
    expected = base64.b64encode(hmac.digest(key, b"i.7.body", hashlib.sha256)).decode()
    assert signature == f"v1,{expected}"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", id="no-prefix"),
        pytest.param("whsec_MfKQ9r8GKYqrTwjUPD8I", id="short"),
        pytest.param("whsec_" + "A" * 88, id="long"),
        pytest.param("whsec_!!KQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", id="no-base64"),
    ],
)
def test_a_secret_that_is_none_is_refused_and_not_repeated(text):
    with pytest.raises(OperatorError, match="24 to 64 bytes") as refusal:
        check_secret(Secret(text))
    assert not text or re.escape(text) not in str(refusal.value)
