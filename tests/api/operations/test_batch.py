from msgspec import UNSET

from headwater.api.operations.batch import batch_errors
from headwater.shapes.batch import BatchError


def test_each_missing_arn_is_one_error_in_the_order_of_the_request():
    assert batch_errors(["c", "a", "b", "c"], allowed=["a", "b", "c"], found=["a"]) == [
        BatchError(arn="c", code="404", message="Resource: c does not exist"),
        BatchError(arn="b", code="404", message="Resource: b does not exist"),
    ]


def test_of_what_is_not_allowed_nothing_is_told():
    assert batch_errors(["a", "b"], allowed=["b"], found=[]) == [
        BatchError(arn="a", code="403", message="not authorized"),
        BatchError(arn="b", code="404", message="Resource: b does not exist"),
    ]


def test_there_is_no_list_of_errors_when_nothing_is_missing():
    assert batch_errors(["a"], allowed=["a"], found=["a", "b"]) is UNSET
