"""What the BatchGet operations share: the ARNs that have no answer.

The codes of these errors are not documented. They are HTTP statuses as text, as AWS's
sample of BatchStartViewerSessionRevocation shows them ("403", "not authorized").
`errors` is left out when there are none, as in AWS's samples.
"""

from collections.abc import Iterable, Sequence
from http import HTTPStatus

from msgspec import UNSET, UnsetType

from headwater.api.errors import ResourceNotFoundError
from headwater.shapes.batch import BatchError


def batch_errors(
    arns: Sequence[str], *, allowed: Iterable[str], found: Iterable[str]
) -> list[BatchError] | UnsetType:
    """One error for each of `arns` that is not in `found`, in the order of the request.

    Of one that is not in `allowed` nothing is told, not even whether it exists.
    """
    may, known = set(allowed), set(found)
    missing = [arn for arn in dict.fromkeys(arns) if arn not in known]
    return [_not_found(arn) if arn in may else not_authorized(arn) for arn in missing] or UNSET


def not_authorized(arn: str) -> BatchError:
    """The caller may not do this to that resource."""
    return BatchError(arn=arn, code=str(HTTPStatus.FORBIDDEN.value), message="not authorized")


def _not_found(arn: str) -> BatchError:
    error = ResourceNotFoundError(arn=arn)
    return BatchError(arn=arn, code=str(error.status.value), message=str(error))
