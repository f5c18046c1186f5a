import botocore.session

from headwater.api.headers import MODELED

MODEL = botocore.session.Session().get_service_model("ivs")


def header_names(shape):
    return {
        member.serialization["name"]
        for member in shape.members.values()
        if member.serialization.get("location") == "header"
    }


def test_they_are_the_headers_of_the_modeled_answers_and_errors():
    batch = MODEL.shape_for("BatchGetChannelResponse")
    error = MODEL.shape_for("ValidationException")
    ours = {name for name, _ in MODELED}

    assert ours == header_names(batch)
    assert ours | {"x-amzn-ErrorType"} == header_names(error)
