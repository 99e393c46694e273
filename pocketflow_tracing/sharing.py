"""Which steps are open on one store at a time: a change that one of them sees may be another's.

A store is known by its identity, in all traces of the process. As long as its steps are nested in one
another, each is as deep as there are open ones; and whatever starts while one is open ends beneath it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .steps import Pictures, Step

NOT_ALONE = -1


class Sharing:
    """One store, and how many steps work on it."""

    __slots__ = ("key", "open", "started")

    def __init__(self, key: int) -> None:
        self.key = key
        self.open = 0
        self.started = 0
        """How many steps there were so far, while it was never out of use."""


class Stores:
    """Every store that an open step works on."""

    def __init__(self) -> None:
        # An id stands for one store only as long as that is here: the step that is open keeps it alive.
        self._known: dict[int, Sharing] = {}

    def enter(self, step: Step, seen: Pictures, above: Step | None) -> None:
        """A step begins that works on `step.shared`; `above` is the step that it runs in."""
        around = None if above is None or above.shared is not step.shared else above.pictures
        if around is None:
            sharing = self._sharing(step.shared)
            if sharing.open:
                around = _around(step, sharing)
        else:
            sharing = around.sharing
        seen.sharing = sharing
        seen.around = around
        seen.depth = depth = 1 if around is None else around.depth + 1
        sharing.open = others = sharing.open + 1
        sharing.started = started = sharing.started + 1
        seen.alone = started if others == depth else NOT_ALONE

    def leave(self, seen: Pictures) -> bool:
        """A step ends; whether another, neither around it nor within it, was open meanwhile."""
        sharing, around = seen.sharing, seen.around
        sharing.open = left = sharing.open - 1
        if around is not None:
            around.within += seen.within + 1
        if not left:
            self._known.pop(sharing.key, None)
        return seen.alone != sharing.started - seen.within

    def _sharing(self, shared: object) -> Sharing:
        key = id(shared)
        sharing = self._known.get(key)
        if sharing is None:
            sharing = self._known[key] = Sharing(key)
        return sharing

    def clear(self) -> None:
        """Forget all: nothing is open any more."""
        self._known.clear()


def begin_post(seen: Pictures) -> None:
    """A part of a step begins that is to be told apart from the whole."""
    sharing = seen.sharing
    seen.post_alone = sharing.started - seen.within if sharing.open == seen.depth else NOT_ALONE


def was_alone_in_post(seen: Pictures) -> bool:
    """Whether only steps around and within this one were open since `begin_post`."""
    return seen.post_alone == seen.sharing.started - seen.within


def _around(step: Step, sharing: Sharing) -> Pictures | None:
    """What was seen of the nearest step that this one runs in and that works on the same store."""
    span = step.span.parent
    while span is not None:
        outer: Step | None = span.step
        if outer is not None and outer.pictures is not None and outer.pictures.sharing is sharing:
            return outer.pictures
        span = span.parent
    return None
