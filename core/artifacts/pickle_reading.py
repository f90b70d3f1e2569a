"""Reads a pickle into plain values without running anything: what it asks to be called is noted, and never called.

Not `pickle.Unpickler` with a `find_class` of one's own: Python's makes room for 8 GB at one instruction of five bytes
(LONG_BINPUT), and calls methods of what it builds. Here the instructions are split by `pickletools`, and those that
PyTorch's own `weights_only` loading knows (torch/_weights_only_unpickler.py) are carried out on lists, dictionaries and
tuples; any other is refused.
"""

import pickletools
import struct
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from core.cancellation import CancelToken
from core.errors import RefusedError
from core.external_text import clean_line

_MOST_BYTES: Final = 16 * 2**20
"""The pickle of a checkpoint of 10,000 tensors has 2 MB."""
_MOST_INSTRUCTIONS: Final = 2_000_000
"""About 25 go to a tensor; all values that so many can make fit into some 300 MB."""
_BETWEEN_CHECKS: Final = 4096
_DICTIONARY: Final = "collections.OrderedDict"
_SIZE: Final = "torch.Size"
NO_CHECKPOINT_FIX: Final = "Choose a model with safetensors weights."


@dataclass(frozen=True, slots=True)
class Named:
    """A class or function that a pickle names: `torch.FloatStorage`."""

    name: str


@dataclass(frozen=True, slots=True)
class Called:
    """A call that a pickle asks for, which is not made."""

    name: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class External:
    """What a pickle refers to by a persistent id, as it lies outside of it."""

    identity: tuple[Any, ...]


class _Bounded:
    """Lets `pickletools` read so many bytes of a file, and no more."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        self._file, self._left = file, most

    def read(self, count: int) -> bytes:
        return self._counted(self._file.read(max(0, min(count, self._left))))

    def readline(self) -> bytes:
        return self._counted(self._file.readline(self._left))

    def _counted(self, data: bytes) -> bytes:
        self._left -= len(data)
        return data


def read_pickle(file: BinaryIO, *, names: Collection[str], label: str, cancel: CancelToken) -> Any:
    """Return the value of the pickle that `file` is at, and leave the file behind it.

    It is made of `None`, booleans, numbers, texts, tuples, lists, dictionaries with texts as keys, `Named`, `Called`
    and `External`. Only `names` may be named; ordered dictionaries and `torch.Size` become plain ones. `label` is what
    the file is called in errors.

    Raises:
        RefusedError: it names something else, or is not a pickle of such values, or far too large for one.
        CancelledByUser: stopping was asked for.
    """
    machine = _Machine(names, label)
    try:
        for count, (instruction, argument, _) in enumerate(pickletools.genops(_Bounded(file, _MOST_BYTES))):  # type: ignore[arg-type]
            if count % _BETWEEN_CHECKS == 0:
                cancel.check()
            machine.carry_out(instruction.name, argument)
            machine.count(1)
        [value] = machine.stack
    except (ValueError, TypeError, LookupError, ArithmeticError, struct.error, MemoryError) as error:
        raise RefusedError(
            f"{label} is not a file of weights that PyTorch loads with weights_only=True.", fix=NO_CHECKPOINT_FIX
        ) from error
    return value


class _Machine:
    """The stack machine that a pickle is a program for."""

    def __init__(self, names: Collection[str], label: str) -> None:
        self.stack: list[Any] = []
        self._names, self._label = names, label
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self._left = _MOST_INSTRUCTIONS

    def count(self, done: int) -> None:
        """Take `done` instructions, or values copied by one, from those that are left."""
        self._left -= done
        if self._left < 0:
            raise ValueError("too many instructions")

    def carry_out(self, instruction: str, argument: Any) -> None:
        """Do what an instruction says; those that fail by ValueError and its like are wrong in this place."""
        stack = self.stack
        match instruction:
            case "PROTO" | "STOP":
                return
            case "MARK":
                self._marks.append(len(stack))
            case "NONE":
                stack.append(None)
            case "NEWTRUE" | "NEWFALSE":
                stack.append(instruction == "NEWTRUE")
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT" | "BINUNICODE":
                stack.append(argument)
            case "SHORT_BINSTRING" | "BINSTRING":  # Python 2 wrote these
                stack.append(argument.encode("latin-1").decode())
            case "EMPTY_TUPLE":
                stack.append(())
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_DICT":
                stack.append({})
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(instruction[-1])
                if len(stack) < count:
                    raise ValueError(instruction)
                stack[-count:] = [tuple(stack[-count:])]
            case "TUPLE":
                stack.append(tuple(self._since_mark()))
            case "BINPUT" | "LONG_BINPUT":
                self._memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(self._memo[argument])
            case "APPEND":
                item = stack.pop()
                self._list().append(item)
            case "APPENDS":
                items = self._since_mark()
                self._list().extend(items)
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                _put(self._dictionary(), [(key, value)])
            case "SETITEMS":
                items = self._since_mark()
                _put(self._dictionary(), zip(items[::2], items[1::2], strict=True))
            case "GLOBAL":
                stack.append(self._named(argument.replace(" ", ".", 1)))
            case "BINPERSID":
                identity = stack.pop()
                if type(identity) is not tuple:
                    raise TypeError(instruction)
                stack.append(External(identity))
            case "REDUCE":
                arguments, function = stack.pop(), stack.pop()
                if type(function) is not Named or type(arguments) is not tuple:
                    raise TypeError(instruction)
                stack.append(self._called(function.name, arguments))
            case "BUILD":  # the `_metadata` of a state dict: versions of its modules, which weights do without
                stack.pop()
                self._dictionary()
            case _:
                raise ValueError(instruction)

    def _named(self, name: str) -> Named:
        if name not in self._names:
            raise RefusedError(
                f"{self._label} asks to run {clean_line(name)[:120]} when it is loaded: it is refused.",
                fix=NO_CHECKPOINT_FIX,
            )
        return Named(name)

    def _called(self, name: str, arguments: tuple[Any, ...]) -> Any:
        if name == _SIZE:
            [size] = arguments
            if type(size) is not tuple:
                raise TypeError(name)
            return size
        if name != _DICTIONARY:
            return Called(name, arguments)
        made: dict[str, Any] = {}
        if arguments:
            [pairs] = arguments
            if type(pairs) is not list:
                raise TypeError(name)
            self.count(len(pairs))
            _put(made, pairs)
        return made

    def _since_mark(self) -> list[Any]:
        start = self._marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def _list(self) -> list[Any]:
        target = self.stack[-1]
        if type(target) is not list:
            raise TypeError("no list")
        return target

    def _dictionary(self) -> dict[str, Any]:
        target = self.stack[-1]
        if type(target) is not dict:
            raise TypeError("no dictionary")
        return target


def _put(target: dict[str, Any], items: Iterable[Any]) -> None:
    for key, value in items:
        if type(key) is not str:
            raise TypeError("a key that is no text")
        target[key] = value
