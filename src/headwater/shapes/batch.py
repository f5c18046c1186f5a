"""What the BatchGet operations say about the ARNs they could not answer."""

from headwater.shapes.scalars import ResourceArn
from headwater.shapes.wire import Shape


class BatchError(Shape, frozen=True, kw_only=True):
    """One ARN that has no answer, and why."""

    arn: ResourceArn
    code: str  # an HTTP status as text, e.g. "404"
    message: str
