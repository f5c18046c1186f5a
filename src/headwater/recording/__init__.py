"""Recordings: live segments joined into longer ones, kept on the local disk, then stored.

    push -> joiner -> spool (disk) -> uploader -> object store
            (pure)    journal          retries    obstore

Viewers never wait for any of it.
"""
