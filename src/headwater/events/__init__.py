r"""Events: what happens to streams, told to whoever wants to know.

    node/streams/sessions.py -> store/events.py (in one transaction) -> dispatcher -> targets
                                                             \-> feed, `headwater events tail`

`details` and `envelope` say what an event is, `pattern` which events a rule wants; they are
pure. Source: IVS user guide, "Using Amazon EventBridge"; EventBridge user guide.
"""
