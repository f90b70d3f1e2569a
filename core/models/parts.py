"""Parts of a file by streams that may be cut: taken up again where they broke off."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Final

from core.cancellation import CancelToken
from core.errors import SagewizardError

_MOST_CUTS: Final = 5
"""How often in a row a stream may be cut without one new byte having come."""


def resumed(
    opened: Callable[[int, int], AbstractContextManager[Iterator[bytes]]],
    interrupted: Callable[[BaseException], SagewizardError | None],
    wrong_size: Callable[[int], SagewizardError],
    start: int,
    length: int,
    pause: float,
    cancel: CancelToken,
) -> Iterator[bytes]:
    """Yield `length` bytes from position `start` on, of streams that `opened` gives for a position and a length.

    `interrupted` returns the program's own error for a cut, `None` for any other error; `wrong_size` the one for
    streams that end elsewhere than they should, at the position that it is given. `pause` is how many seconds pass
    before a cut stream is taken up again; doubled each time.

    Raises:
        SagewizardError: the stream is cut again and again, or it is longer or shorter than it should be.
        CancelledByUser: stopping was asked for.
    """
    done, cuts = 0, 0
    while True:
        before = done
        cut: SagewizardError | None = None
        try:
            with opened(start + before, length - before) as pieces:
                for piece in pieces:
                    cancel.check()
                    done += len(piece)
                    if done > length:
                        break
                    yield piece
        except Exception as error:
            cut = interrupted(error)
            if cut is None:
                raise
        if done > length:
            raise wrong_size(start + done)
        if done == length and (cut is None or length):
            return
        cuts = 1 if done > before else cuts + 1
        if cuts >= _MOST_CUTS:
            raise cut or wrong_size(start + done)
        cancel.wait(pause * 2 ** (cuts - 1))
