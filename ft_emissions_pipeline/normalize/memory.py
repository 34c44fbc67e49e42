"""What rules answered of kinds of runs before, so that a kind that comes again costs nothing.

Put here: how kinds are known again, and their answers. Keep out: what makes a kind (`kinds.py`) and
how rules are asked (`filling.py`).

A rule's answer about a kind rests on what the kind is and on what rules said before. With the same
reference tables, profile and rules it cannot change.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from typing import Any

from ft_emissions_pipeline.methodology import Profile
from ft_emissions_pipeline.reference import Reference

LONGEST = 1000
"""Kinds in one question from which its answer is not kept: hardly ever are all asked of again."""

MOST = 50_000
"""Kinds with a number, and kinds in all answers, some tens of megabytes; then all are forgotten."""


@dataclass
class Memory:
    """Numbers by which kinds are known again, and answers by question.

    It holds for some rules with these tables and this profile. No number is given twice, so that
    forgetting is always safe.
    """

    reference: Reference
    profile: Profile
    rules: tuple[object, ...]
    numbers: dict[Hashable, int] = field(default_factory=dict)
    answers: dict[Hashable, Any] = field(default_factory=dict)
    fresh: count[int] = field(default_factory=count)
    kept: int = 0

    def number(self, kind: Hashable) -> int:
        """Return the number of a kind, always the same one."""
        self._forget(len(self.numbers))
        return self.numbers.setdefault(kind, next(self.fresh))

    def answer(self, question: tuple[int, ...], ask: Callable[[], Any]) -> Any:
        """Return the answer to a question, a rule and some kinds; it is asked where it is new."""
        if question in self.answers:
            return self.answers[question]
        self._forget(self.kept)
        answer = ask()
        if len(question) <= LONGEST:
            self.answers[question] = answer
            self.kept += len(question)
        return answer

    def _forget(self, held: int) -> None:
        if held >= MOST:
            self.answers.clear()
            self.numbers.clear()
            self.kept = 0


memory_of = lru_cache(maxsize=4)(Memory)
"""The memory of some rules with some tables and a profile."""
