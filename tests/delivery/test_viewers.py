from headwater.delivery import viewers
from headwater.delivery.viewers import VIEWER_GONE_S, ViewerCount


def test_a_viewer_is_counted_once_and_leaves_when_silent():
    clock = [0.0]
    count = ViewerCount(lambda: clock[0])
    for address, agent in [("::1", "a"), ("::1", "b"), ("::2", "a"), ("::1", "a")]:
        count.saw(address, agent)
    assert count.count() == 3

    clock[0] = VIEWER_GONE_S - 1
    count.saw("::1", "a")
    clock[0] = VIEWER_GONE_S
    assert count.count() == 1
    clock[0] = 2 * VIEWER_GONE_S
    assert count.count() == 0
    assert count._last_seen_s == {}


def test_invented_user_agents_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(viewers, "MAX_VIEWERS_COUNTED", 10)
    count = ViewerCount(lambda: 0.0)
    for number in range(100):
        count.saw("::1", f"agent {number}")

    assert count.count() == 10
    count.saw("::1", "agent 3")  # who is counted stays counted
    assert count.count() == 10
