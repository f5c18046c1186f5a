from msgspec import UNSET

from headwater.api.operations.batch import batch_errors
from headwater.shapes.batch import BatchError


def test_each_missing_arn_is_one_error_in_the_order_of_the_request():
    assert batch_errors(["c", "a", "b", "c"], ["a"]) == [
        BatchError(arn="c", code="404", message="Resource: c does not exist"),
        BatchError(arn="b", code="404", message="Resource: b does not exist"),
    ]


def test_there_is_no_list_of_errors_when_nothing_is_missing():
    assert batch_errors(["a"], ["a", "b"]) is UNSET
