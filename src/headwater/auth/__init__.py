"""Pure decisions about who may do what: SigV4 verification. Records and time come in.

Imports core and shapes only.
"""
