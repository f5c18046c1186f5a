from headwater.media.transcode.policy import (
    CALM_S,
    HARDWARE_LEVELS,
    LEVELS,
    MAX_CALM_S,
    Policy,
)


def run(policy, start_s, seconds, waiting_ms):
    """Update ten times a second; the levels in the order they came up, and the end."""
    seen = [policy.level]
    for tick in range(seconds * 10):
        level = policy.update(start_s + tick / 10, waiting_ms)
        if level != seen[-1]:
            seen.append(level)
    return seen, start_s + seconds


def test_media_that_waits_steps_up_one_by_one_to_the_last():
    seen, _ = run(Policy(LEVELS), 0.0, 60, 2000)

    assert seen == list(LEVELS)


def test_a_short_burst_changes_nothing():
    policy = Policy(LEVELS)
    now_s = 0.0
    for _ in range(20):
        _, now_s = run(policy, now_s, 1, 3000)
        _, now_s = run(policy, now_s, 1, 300)

    assert policy.level == "normal"


def test_in_between_it_stays_as_it_is():
    policy = Policy(LEVELS)
    _, now_s = run(policy, 0.0, 3, 2000)
    seen, _ = run(policy, now_s, 1000, 300)

    assert seen == ["faster preset"]


def test_calm_brings_everything_back():
    policy = Policy(LEVELS)
    _, now_s = run(policy, 0.0, 60, 2000)
    seen, _ = run(policy, now_s, 60, 0)

    assert seen == list(reversed(LEVELS))


def test_a_step_down_that_was_too_early_makes_the_next_wait_longer():
    policy = Policy(LEVELS)
    now_s, calm = 0.0, []
    for _ in range(10):
        _, now_s = run(policy, now_s, 5, 2000)
        fell_s = now_s
        while policy.level != "normal":
            policy.update(now_s, 0)
            now_s += 0.1
        calm.append(round(now_s - fell_s))

    assert calm[0] < 2 * CALM_S + 5
    assert calm == sorted(calm)
    assert calm[-1] <= 2 * MAX_CALM_S


def test_hardware_has_no_faster_preset():
    seen, _ = run(Policy(HARDWARE_LEVELS), 0.0, 60, 2000)

    assert seen == ["normal", "half the frames"]
