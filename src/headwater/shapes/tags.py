"""Tags on the wire, of resources of any type. Source: IVS API reference, its three operations."""

from headwater.shapes.scalars import ResourceArn, TagKeyList, Tags
from headwater.shapes.wire import Shape


class TagResourceRequest(Shape, frozen=True, kw_only=True):
    """Tags to add, or to put in place of those with the same keys."""

    resource_arn: ResourceArn
    tags: Tags


class TagResourceResponse(Shape, frozen=True, kw_only=True):
    """Done; there is nothing more to say."""


class UntagResourceRequest(Shape, frozen=True, kw_only=True):
    """Keys of tags to remove."""

    resource_arn: ResourceArn
    tag_keys: TagKeyList


class UntagResourceResponse(Shape, frozen=True, kw_only=True):
    """Done; there is nothing more to say."""


class ListTagsForResourceRequest(Shape, frozen=True, kw_only=True):
    """Of which resource."""

    resource_arn: ResourceArn


class ListTagsForResourceResponse(Shape, frozen=True, kw_only=True):
    """All its tags."""

    tags: Tags
