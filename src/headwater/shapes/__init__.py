"""The wire contract: one msgspec Struct per shape of the IVS API, camelCase on the wire.

Imports core only. `scalars` has the bounded types, `wire` the base class and the
encoder; the structures are split by resource. Source: IVS API reference, version
2020-07-14; a test compares every member with botocore's model.
"""
