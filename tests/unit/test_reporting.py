"""What a run tells while it goes on: not too often, never backwards, and with a rate that is about right."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from threading import Barrier, Lock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.deployments.events import Event, Stage
from core.deployments.reporting import Rate, Reporter, StageReport
from core.errors import SagewizardError, UnreachableError

_TICKS = 1024
"""Of a second: times that floating-point numbers hold exactly, so that a second is one."""
_TOTAL = 10_000

_Step = tuple[int, int, int]
"""Which stage tells next (0 or 1), how many ticks after the last telling, and how many bytes more (or fewer)."""
_steps = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 400), st.integers(-300, 900)), min_size=1, max_size=120)


@dataclass
class _Telling:
    """A run of which two stages go on at once, told at the times of a clock that the test moves."""

    ticks: int = 0
    heard: list[tuple[float, Event]] = field(default_factory=list)

    def clock(self) -> float:
        return self.ticks / _TICKS

    def reporter(self) -> Reporter:
        return Reporter("d", lambda event: self.heard.append((self.clock(), event)), clock=self.clock)

    def of(self, stage: Stage) -> list[Event]:
        return [event for _, event in self.heard if event.stage == stage and event.kind == "progress"]


def _told(steps: list[_Step], *, to_the_end: bool = True) -> _Telling:
    """Tell of both stages as the steps say, then that each is at its end."""
    telling = _Telling()
    reporter = telling.reporter()
    with reporter.stage("package", "Packaging") as packing, reporter.stage("upload", "Uploading") as uploading:
        both = (packing, uploading)
        done = [0, 0]
        for which, later, more in steps:
            telling.ticks += later
            done[which] = min(_TOTAL, max(0, done[which] + more))
            both[which].progress("On", done[which], _TOTAL, "bytes", file="a")
        for report in both if to_the_end else ():
            report.progress("On", _TOTAL, _TOTAL, "bytes", file="a")
    return telling


@settings(max_examples=150, deadline=None)
@given(_steps)
def test_progress_is_told_ten_times_a_second_at_most_over_all_stages(steps: list[_Step]) -> None:
    heard = _told(steps).heard
    times = [at for at, event in heard if event.kind == "progress"]  # the last one of each stage among them
    assert all(sum(start <= at < start + 1 for at in times) <= 10 for start in times)


def test_two_stages_that_tell_without_pause_and_then_end_stay_within_ten_a_second() -> None:
    for ticks in range(_TICKS - 200, _TICKS, 7):
        heard = _told([(number % 2, number % 2, 1) for number in range(2 * ticks)]).heard
        times = [at for at, event in heard if event.kind == "progress"]
        assert max(sum(start <= at < start + 1 for at in times) for start in times) <= 10


@settings(max_examples=150, deadline=None)
@given(_steps)
def test_what_is_done_never_goes_back_and_the_last_of_it_is_told_once(steps: list[_Step]) -> None:
    telling = _told(steps)
    for stage in ("package", "upload"):
        done = [event.done or 0 for event in telling.of(stage)]
        assert done == sorted(done)
        assert done.count(_TOTAL) == 1
        assert done[-1] == _TOTAL


@settings(max_examples=150, deadline=None)
@given(_steps)
def test_what_was_dropped_was_told_of_a_moment_before(steps: list[_Step]) -> None:
    """Told at least every 0.26 s and a call: no stage is silent for longer than its turn while it has something new."""
    telling = _Telling()
    reporter = telling.reporter()
    last = [-1.0, -1.0]
    with reporter.stage("package", "P") as packing, reporter.stage("upload", "U") as uploading:
        for number, (which, later, _) in enumerate(steps):
            telling.ticks += later
            before = len(telling.heard)
            (packing, uploading)[which].progress("On", number, _TOTAL, "bytes")
            now = telling.clock()
            if len(telling.heard) > before:
                last[which] = now
            else:
                assert now - last[which] < 0.26 or now - max(last) < 0.13


def test_a_stage_that_tells_seldom_is_heard_beside_one_that_tells_without_pause() -> None:
    telling = _Telling()
    reporter = telling.reporter()
    with reporter.stage("package", "P") as packing, reporter.stage("upload", "U") as uploading:
        for number in range(5 * _TICKS):  # 5 s, every tick; the other eight times a second
            telling.ticks += 1
            packing.progress("On", number, 10**6, "bytes")
            if number % 128 == 0:
                uploading.progress("On", number, 10**6, "bytes")
    assert len(telling.of("upload")) >= 12
    assert len(telling.of("package")) >= 12


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 10**9),
    st.integers(1, 4),
    st.lists(st.tuples(st.integers(0, 2000), st.floats(0, 1)), min_size=1, max_size=60),
    st.integers(0, 10**12),
)
def test_the_rate_lies_between_the_slowest_and_the_fastest_that_passed(
    slowest: int, times: int, steps: list[tuple[int, float]], begun_with: int
) -> None:
    """None in the first second; what was there at the beginning counts for nothing."""
    rate, ticks, done = Rate(), 0, float(begun_with)
    assert rate.after(0.0, begun_with) is None
    for later, share in steps:
        ticks += later
        done += later / _TICKS * slowest * (1 + share * (times - 1))
        found = rate.after(ticks / _TICKS, int(done))
        assert (found is None) == (ticks < _TICKS)
        if found is not None:
            assert slowest * 0.999 - 2 <= found <= slowest * times * 1.001 + 2


def test_the_rate_forgets_what_was_long_ago_and_tells_the_time_that_is_left() -> None:
    telling = _Telling()
    reporter = telling.reporter()
    with reporter.stage("upload", "U") as report:
        done = 0
        for second in range(40):
            done += 1_000_000 if second < 20 else 100_000
            telling.ticks += _TICKS
            report.progress("On", done, 100_000_000, "bytes")
    last = telling.of("upload")[-1]
    assert last.rate == pytest.approx(100_000)
    assert last.seconds_left == pytest.approx((100_000_000 - done) / 100_000)
    assert telling.of("upload")[0].rate is None
    assert telling.of("upload")[0].seconds_left is None


def test_where_nothing_passes_no_time_left_is_made_up() -> None:
    telling = _Telling()
    with telling.reporter().stage("upload", "U") as report:
        for _ in range(5):
            telling.ticks += _TICKS
            report.progress("On", 7, 10, "bytes")
    assert telling.of("upload")[-1].rate == 0
    assert telling.of("upload")[-1].seconds_left is None


def test_only_bytes_have_a_rate() -> None:
    telling = _Telling()
    with telling.reporter().stage("rollback", "R") as report:
        for number in range(4):
            telling.ticks += _TICKS
            report.progress("On", number, 4)
    assert [event.done for event in telling.of("rollback")] == [0, 1, 2, 3]
    assert all(event.rate is None for event in telling.of("rollback"))


def test_a_stage_finishes_once_and_says_nothing_of_progress_after_that() -> None:
    telling = _Telling()
    reporter = telling.reporter()
    with reporter.stage("package", "P") as packing, reporter.stage("upload", "U"):
        packing.summary = "All read"
        packing.finish()
        packing.finish()
        telling.ticks += _TICKS
        packing.progress("On", 3, 10, "bytes")
    told = [(event.stage, event.kind, event.message) for _, event in telling.heard]
    assert told == [
        ("package", "started", "P"),
        ("upload", "started", "U"),
        ("package", "finished", "All read"),
        ("upload", "finished", "U"),
    ]


def test_the_total_of_a_stage_stays_what_it_was_first() -> None:
    telling = _Telling()
    with telling.reporter().stage("upload", "U") as report:
        for done, total in ((1, 10), (2, 20), (4, 3), (12, 20), (5, 10)):
            telling.ticks += _TICKS
            report.progress("On", done, total, "bytes")
    assert [(event.done, event.total) for event in telling.of("upload")] == [(1, 10), (2, 10), (4, 10), (10, 10)]


def _fails_while_two_go_on(reporter: Reporter, reports: list[StageReport]) -> None:
    with reporter.stage("package", "P") as packing, reporter.stage("upload", "U") as uploading:
        reports += [packing, uploading]
        raise UnreachableError("No network.")


@pytest.mark.parametrize("ends_well", [False, True])
def test_a_thread_that_comes_late_says_nothing_after_the_last_event(ends_well: bool) -> None:
    telling = _Telling()
    reporter = telling.reporter()
    reports: list[StageReport] = []
    with pytest.raises(UnreachableError):
        _fails_while_two_go_on(reporter, reports)
    if ends_well:
        reporter.ready("e", "in service")
    else:
        reporter.failed("upload", SagewizardError("No network."))
    for report in reports:
        telling.ticks += _TICKS
        report.progress("On", 1, 10, "bytes")
        report.log("late")
        report.warning("late")
        report.finish()
    _, last = telling.heard[-1]
    assert (last.stage, last.kind) == (("ready", "finished") if ends_well else ("upload", "failed"))


def test_while_what_failed_is_undone_its_stages_tell_nothing() -> None:
    telling = _Telling()
    reports: list[StageReport] = []
    with pytest.raises(UnreachableError):
        _fails_while_two_go_on(telling.reporter(), reports)
    telling.ticks += _TICKS
    for report in reports:
        report.progress("On", 1, 10, "bytes")
    assert [event.kind for _, event in telling.heard] == ["started", "started"]


def test_a_stage_that_failed_takes_no_turns_from_the_next_one() -> None:
    telling = _Telling()
    reporter = telling.reporter()
    with pytest.raises(UnreachableError):
        _fails_while_two_go_on(reporter, [])
    with reporter.stage("endpoint", "E") as report:
        for number in range(_TICKS):
            telling.ticks += 1
            report.progress("On", number, 10**6, "bytes")
    assert len(telling.of("endpoint")) == 8


@pytest.fixture
def _hasty_threads() -> Iterator[None]:
    """Threads take turns every few microseconds, so that what may overlap does."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_hasty_threads")
def test_events_of_several_threads_go_out_one_at_a_time() -> None:
    """All threads tell at once, many times over; who listens sees whether another one's telling is under way."""
    listening, twice = Lock(), []

    def heard(event: Event) -> None:
        if not listening.acquire(blocking=False):
            twice.append(event)
            return
        sum(range(20_000))  # long enough for another thread to have its turn
        listening.release()

    def tell(call: Callable[[], None], together: Barrier) -> None:
        together.wait()
        call()

    with ThreadPoolExecutor(4) as pool:
        for _ in range(100):
            reporter, together = Reporter("d", heard), Barrier(4)
            with reporter.stage("package", "P") as report:
                calls: list[Callable[[], None]] = [
                    partial(report.log, "on"),
                    partial(report.progress, "On", 1, 10, "bytes"),
                    partial(reporter.failed, "package", SagewizardError("No.")),
                    partial(reporter.ready, "e", "in service"),
                ]
                list(pool.map(tell, calls, [together] * 4))
    assert twice == []


def _fail_to_read(reporter: Reporter) -> None:
    reporter.blame("package")
    raise OSError("cannot be read")


def test_a_stage_whose_block_fails_does_not_finish_and_a_failure_is_blamed_on_the_right_one() -> None:
    telling = _Telling()
    reporter = telling.reporter()
    with (
        pytest.raises(OSError, match="cannot be read"),
        reporter.stage("package", "P"),
        reporter.stage("upload", "U"),
    ):
        _fail_to_read(reporter)
    assert reporter.stage_now == "package"
    assert [event.kind for _, event in telling.heard] == ["started", "started"]


@pytest.mark.parametrize("name", ["plain.safetensors", "a/\x1b[2Jb\nc"])
def test_the_file_under_way_is_told_as_one_safe_line(name: str) -> None:
    telling = _Telling()
    with telling.reporter().stage("upload", "U") as report:
        report.progress("On", 1, 10, "bytes", file=name)
    file = telling.of("upload")[0].file or ""
    assert file.isprintable()
    assert file[0] == name[0]
