from headwater.auth.principal import Principal, root


def test_a_user_and_the_root_have_their_arns():
    user = Principal(account="123456789012", user_id="AIHWX", name="ana", policies=())

    assert (user.arn, user.is_root) == ("arn:aws:iam::123456789012:user/ana", False)
    assert (root("123456789012").arn, root("1").is_root) == ("arn:aws:iam::123456789012:root", True)
    assert root("123456789012").user_id == "123456789012"
