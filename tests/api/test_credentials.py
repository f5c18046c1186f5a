from api.people import ACCOUNT, random_bytes
from headwater.api.credentials import lasting_key, temporary_key, token_digest

OWNER = {"account": ACCOUNT, "user_id": "AIHW1", "description": "ours", "now_ms": 1000}


def test_a_lasting_key_needs_no_token_and_never_ends():
    key = lasting_key(random_bytes, **OWNER)

    assert (key.session_digest, key.expires_at_ms, key.created_at_ms) == (b"", 0, 1000)
    assert (key.account, key.user_id, key.description) == (ACCOUNT, "AIHW1", "ours")
    assert key.id != lasting_key(random_bytes, **OWNER).id


def test_a_temporary_key_ends_and_keeps_no_token():
    key, token = temporary_key(random_bytes, **OWNER, lasts_ms=500)

    assert key.expires_at_ms == 1500
    assert key.session_digest == token_digest(token)
    assert token.reveal() not in str(key)
    assert token.reveal().encode() not in key.session_digest
