from core.artifacts.window import Window

MIB = 2**20
MOST = 64 * MIB


class Line:
    """Bytes that come as fast as `speed` says for as many bytes under way as there are (MiB both, and per second)."""

    def __init__(self, most: int = MOST) -> None:
        self.now = 0.0
        self.window = Window(most, clock=lambda: self.now)
        self.limits = {self.window.limit}

    def carry(self, mib: int, speed: float) -> None:
        """Let `mib` come, at the speed of a connection for each 8 MiB under way, and no faster than the line."""
        for _ in range(mib):
            self.window.note(MIB)
            self.now += 1 / speed
            self.window.adapt()
            self.limits.add(self.window.limit)


def test_more_and_more_is_under_way_where_each_connection_by_itself_is_slow() -> None:
    line = Line()
    for _ in range(400):
        line.carry(1, speed=5 * line.window.limit / (8 * MIB))
    assert line.window.limit == MOST


def test_no_more_is_under_way_than_before_where_more_bring_no_more() -> None:
    line = Line()
    line.carry(400, speed=40)
    assert line.limits == {16 * MIB, 24 * MIB}, "more is tried"
    assert line.window.limit == 16 * MIB


def test_more_is_tried_again_when_the_network_may_have_changed() -> None:
    line = Line()
    line.carry(70, speed=40)
    assert line.window.limit == 16 * MIB
    for _ in range(600):
        line.carry(1, speed=5 * line.window.limit / (8 * MIB))
    assert line.window.limit == MOST


def test_a_small_window_is_kept_whole() -> None:
    line = Line(most=2 * MIB)
    line.carry(50, speed=10)
    assert line.limits == {2 * MIB}


def test_nothing_is_decided_before_anything_has_come() -> None:
    line = Line()
    line.window.adapt()
    line.window.adapt()
    assert line.window.limit == 16 * MIB
