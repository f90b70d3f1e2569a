"""How many instances of a type the account may run for endpoints, and how many it runs already."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quota:
    """The account's limit for one type in one region, and how many of it are in use, in instances."""

    limit: int
    used: int

    @property
    def left(self) -> int:
        """How many more may be started."""
        return max(0, self.limit - self.used)
