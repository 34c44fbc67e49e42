"""Figures that follow from others step by step, and are found again where something has moved.

Put here: how steps are worked out. Keep out: the steps themselves, which stand with the figures
that they make (`normalize/energy.py`, `impacts/footprint.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias

Values: TypeAlias = Mapping[str, Any]
"""Arrays, or numbers, by name."""

Step: TypeAlias = Callable[[Values], Any]
"""From named values to one more."""


class Worked:
    """What some steps make of given values, in order; `values` holds both.

    A step may take the place of a given value: it reads that one, and what comes after reads it.
    On which names a step rests is seen as it reads them.
    """

    def __init__(self, steps: Mapping[str, Step], given: Values) -> None:
        """Work all steps out."""
        self._steps, self._given = steps, given
        self.values = dict(given)
        self._rests: dict[str, set[str]] = {}
        self._after: dict[str, set[str]] = {}
        for name, step in steps.items():
            read = _Read(self.values)
            self.values[name] = step(read)
            self._rests[name] = set().union(*(self._rests.get(each, {each}) for each in read.names))
            self._after[name] = {name}.union(*(self._after.get(each, ()) for each in read.names))

    def again(self, moved: Values, outputs: Collection[str]) -> dict[str, Any]:
        """Return outputs with some given values moved; those that rest on none are left out."""
        wanted = set().union(*(self._after[name] for name in outputs))
        touched = [
            name
            for name, rests in self._rests.items()
            if name in wanted and not rests.isdisjoint(moved)
        ]
        values = {**self.values, **moved}
        values |= {name: self.values[name] for name in self._steps.keys() & moved.keys()}
        for name in touched:
            if name in self._given:
                values[name] = moved.get(name, self._given[name])
            values[name] = self._steps[name](values)
        return {name: values[name] for name in outputs if name in touched}


class _Read(dict[str, Any]):
    """Values, and the names of those that were read."""

    def __init__(self, values: Values) -> None:
        super().__init__(values)
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.names.add(name)
        return super().__getitem__(name)
