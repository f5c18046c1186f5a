"""What the BatchGet operations share: the ARNs that have no answer.

The codes of these errors are not documented. They are HTTP statuses as text, as AWS's
sample of BatchStartViewerSessionRevocation shows them ("403", "not authorized").
`errors` is left out when there are none, as in AWS's samples.
"""

from collections.abc import Iterable, Sequence

from msgspec import UNSET, UnsetType

from headwater.api.errors import ResourceNotFoundError
from headwater.shapes.batch import BatchError


def batch_errors(arns: Sequence[str], found: Iterable[str]) -> list[BatchError] | UnsetType:
    """One error for each of `arns` that is not in `found`, in the order of the request."""
    known = set(found)
    missing = [ResourceNotFoundError(arn=arn) for arn in dict.fromkeys(arns) if arn not in known]
    return [
        BatchError(arn=error.arn, code=str(error.status.value), message=str(error))
        for error in missing
    ] or UNSET
