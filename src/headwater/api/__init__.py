"""The control plane: the IVS REST API. `app` has the chain, `operations` one function each.

Imports core, shapes, auth and the store's records. What is live right now is asked of
a `Control`, kept state of a `Store`; both are Protocols that the node fills.
"""
