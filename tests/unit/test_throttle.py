"""A limit on bytes in a second, by a clock of the test's own."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.cancellation import CancelToken
from core.errors import CancelledByUser
from core.throttle import Throttle

RATE = 1000


class Time(CancelToken):
    """A clock that goes on only while it is waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0

    def wait(self, seconds: float) -> None:
        self.check()
        self.now += seconds

    def __call__(self) -> float:
        return self.now


def test_a_burst_of_a_quarter_second_passes_at_once() -> None:
    time = Time()
    throttle = Throttle(RATE, clock=time)
    throttle.take(150, time)
    throttle.take(100, time)
    assert time.now == 100
    throttle.take(500, time)
    assert time.now == pytest.approx(100.5)


def test_what_was_not_used_is_kept_for_a_quarter_second_only() -> None:
    time = Time()
    throttle = Throttle(RATE, clock=time)
    throttle.take(250, time)
    time.now += 3600
    throttle.take(350, time)
    assert time.now == pytest.approx(3700.1)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 5000), st.floats(0, 3)), min_size=1, max_size=30), st.integers(1, 10**6))
def test_never_more_passes_than_the_rate_and_the_burst(takes: list[tuple[int, float]], rate: int) -> None:
    time = Time()
    throttle = Throttle(rate, clock=time)
    passed = 0
    for count, pause in takes:
        throttle.take(count, time)
        passed += count
        assert passed <= rate * (time.now - 100 + 0.25) * (1 + 1e-6) + 1e-3
        time.now += pause


@settings(max_examples=60)
@given(st.lists(st.integers(0, 5000), min_size=1, max_size=30), st.integers(1, 10**6))
def test_whoever_asks_all_the_time_gets_the_whole_rate(counts: list[int], rate: int) -> None:
    time = Time()
    throttle = Throttle(rate, clock=time)
    for count in counts:
        throttle.take(count, time)
    assert time.now == pytest.approx(100 + max(0.0, sum(counts) / rate - 0.25), rel=1e-6)


def test_stopping_ends_the_wait() -> None:
    cancel = CancelToken()
    throttle = Throttle(1)
    cancel.cancel()
    with pytest.raises(CancelledByUser):
        throttle.take(10**9, cancel)


def test_a_rate_of_nothing_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="rate"):
        Throttle(0)
