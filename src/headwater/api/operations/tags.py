"""Tags of resources of every type: add, remove, list.

Source: IVS API reference, "Tagging"; AWS tagging rules. Where it is silent: an ARN of a type
that does not exist, or of another account, is one that does not exist; what is no ARN at all,
or one of another service, is refused as such. Removing no key, or one that is not there, is
fine.
"""

from msgspec.structs import replace

from headwater.api.errors import ValidationError
from headwater.api.operation import Call, operation
from headwater.api.resources import member
from headwater.api.routes import Route
from headwater.api.validation import check_tags
from headwater.shapes.tags import (
    ListTagsForResourceRequest,
    ListTagsForResourceResponse,
    TagResourceRequest,
    TagResourceResponse,
    UntagResourceRequest,
    UntagResourceResponse,
)
from headwater.store.records import ResourceRecord

MAX_TAGS = 50
_PATH = "/tags/"


@operation(
    "TagResource",
    on=member("resource_arn"),
    writes=True,
    route=Route("POST", _PATH, path_member="resourceArn"),
)
async def tag_resource(call: Call, req: TagResourceRequest) -> TagResourceResponse:
    """Add tags, each in place of one with the same key."""
    check_tags(call.operation, req.tags)
    record = await call.find(ResourceRecord, req.resource_arn)
    tags = record.tags | req.tags
    if len(tags) > MAX_TAGS:
        raise ValidationError(
            f"{call.operation}.tags: a resource has at most {MAX_TAGS} tags; "
            f"this one would have {len(tags)}"
        )
    await call.store.update(replace(record, tags=tags))
    return TagResourceResponse()


@operation(
    "UntagResource",
    on=member("resource_arn"),
    writes=True,
    route=Route("DELETE", _PATH, path_member="resourceArn", query_list="tagKeys"),
)
async def untag_resource(call: Call, req: UntagResourceRequest) -> UntagResourceResponse:
    """Remove tags by their keys."""
    record = await call.find(ResourceRecord, req.resource_arn)
    kept = {key: value for key, value in record.tags.items() if key not in req.tag_keys}
    await call.store.update(replace(record, tags=kept))
    return UntagResourceResponse()


@operation(
    "ListTagsForResource",
    on=member("resource_arn"),
    route=Route("GET", _PATH, path_member="resourceArn"),
)
async def list_tags_for_resource(
    call: Call, req: ListTagsForResourceRequest
) -> ListTagsForResourceResponse:
    """All tags of a resource."""
    record = await call.find(ResourceRecord, req.resource_arn)
    return ListTagsForResourceResponse(tags=record.tags)
