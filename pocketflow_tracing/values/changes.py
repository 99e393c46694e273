"""What differs between two captures of one store."""

from __future__ import annotations

from typing import Any

from ..errors import report_failure
from .nodes import (
    BOOL,
    BYTES,
    CUT,
    FIELDS,
    HEAD,
    ITEMS,
    PAIRS,
    STUB,
    TEXT,
    Mark,
    Node,
    Snapshot,
    identical,
    inner,
    omitted,
)
from .wording import LONGEST_INT

_SET = (ITEMS, "set")
_PLAIN = frozenset((str, int, type(None)))
_MISSING = object()
WHOLE_VALUE = "(value)"
"""The key under which a change shows that is not one of entries."""


class ChangeSet:
    """Entries added, changed and removed, as nodes. A changed container has a ChangeSet of its own.

    `partial`: the budget hid some entries, so there may be more changes. `concurrent`: another span on
    the same store was open meanwhile, and these may include its changes.
    """

    __slots__ = ("added", "changed", "concurrent", "partial", "removed")

    def __init__(self) -> None:
        self.added: dict[str, Node] = {}
        self.changed: dict[str, tuple[Node, Node] | ChangeSet] = {}
        self.removed: dict[str, Node] = {}
        self.partial = False
        self.concurrent = False

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


class Difference:
    """Two captures of one store. What differs is worked out once it is asked for: not by the program."""

    __slots__ = ("_found", "after", "before", "concurrent")

    size = 512
    """About how many bytes it comes to hold beside the two, which others hold as well."""

    def __init__(self, before: Snapshot, after: Snapshot, concurrent: bool = False) -> None:
        self.before = before
        self.after = after
        self.concurrent = concurrent
        """Whether another span on the same store was open meanwhile: these may include its changes."""
        self._found: ChangeSet | None = None

    def changes(self) -> ChangeSet | None:
        """What changed, or None when nothing did as far as it was seen."""
        found = self._found
        if found is None:
            try:
                found = compare(self.before, self.after) or ChangeSet()
            except Exception as failure:  # what else is known of the span is not lost with it
                report_failure("values.changes", failure)
                found = ChangeSet()
                found.partial = True
            self._found = found
            found.concurrent = self.concurrent
        return found if found or found.partial else None

    def marked_concurrent(self) -> Difference:
        """This difference, a part of which may be another span's; what was handed on stays as it is."""
        return self if self.concurrent else Difference(self.before, self.after, concurrent=True)


def compare(before: Snapshot, after: Snapshot) -> ChangeSet | None:
    """What changed from `before` to `after`, or None when they are equal as far as they were seen."""
    if before is after or before.root is after.root:
        return None
    changes = _compared(before.root, after.root, levels=2)
    if changes is None:
        changes = ChangeSet()
        if not _alike(before.root, after.root):
            changes.changed[WHOLE_VALUE] = (before.root, after.root)
    if not changes:
        return None
    changes.partial = changes.partial or not (before.whole and after.whole)
    return changes


def _compared(before: Node, after: Node, levels: int) -> ChangeSet | None:
    """The changes between two containers of one kind, or None where they are no such thing."""
    if type(before) is dict and type(after) is dict:
        return _compared_entries(before, after, 0, 0, levels)
    if type(before) is list and type(after) is list:
        return _compared_items(before, after, 0, 0, levels)
    texts = _texts(before) | _texts(after)
    old, new = _entries(before, texts), _entries(after, texts)
    if old is not None and new is not None and _word(before) == _word(after):
        changes = _compared_entries(old, new, omitted(before), omitted(after), levels)
    else:
        first, second = inner(before), inner(after)
        if type(first) is not list or type(second) is not list or _kind(before) != _kind(after):
            return None
        changes = _compared_items(first, second, omitted(before), omitted(after), levels)
    changes.partial = changes.partial or bool(omitted(before) or omitted(after))
    return changes


def _entries(node: Node, texts: set[str]) -> dict[str, Node] | None:
    """What a mapping, an object or a set consists of, by key, field or member; None for anything else."""
    content = inner(node)
    if type(content) is dict:
        return content
    if type(content) is list and _kind(node)[:1] == (PAIRS,):
        # The keys are not all text: by what they look like. A head may end with a key alone.
        pairs = zip(content[::2], content[1::2])  # noqa: B905
        return {_as_key(key, texts): value for key, value in pairs}
    if type(content) is list and _kind(node) == _SET:
        return {_as_key(member, texts): member for member in content}
    return None


def _texts(node: Node) -> set[str]:
    """The keys or members that are text, where not all need be: others may look like one of them."""
    content = inner(node)
    if type(content) is dict:
        return set(content)
    if type(content) is not list:
        return set()
    return {key for key in content[:: 2 if _kind(node)[:1] == (PAIRS,) else 1] if type(key) is str}


def _as_key(node: Node, texts: set[str]) -> str:
    """What a key looks like; its type is added where a text looks the same."""
    text = _as_text(node)
    if type(node) is str or text not in texts:
        return text
    return f"{text} ({node[0] if type(node) is Mark else type(node).__name__})"


def _word(node: Node) -> tuple[Any, ...]:
    """What kind of entries a node has: two mappings are of one kind, whatever their keys are."""
    kind = _kind(node)
    return () if kind[:1] == (PAIRS,) else kind


def _kind(node: Node) -> tuple[Any, ...]:
    while type(node) is Mark and node[0] is HEAD:
        node = node[2]
    return tuple(node[:2]) if type(node) is Mark else ()


def _as_text(node: Node) -> str:
    if type(node) is str:
        return node
    if type(node) is Mark:
        if node[0] is CUT:  # what is cut is masked as it is written, and a key is not
            return f"<str of {node[3]:,} characters>"
        if node[0] is BYTES:
            return repr(node[2]) if node[3] == node[4] else f"<{node[1]} of {node[4]:,} bytes>"
        parts = node[1:] if node[0] in (BOOL, TEXT, STUB) else node
        return " ".join(_as_text(part) for part in parts)
    if type(node) is list:
        return ", ".join(map(_as_text, node))
    if type(node) is int and node.bit_length() > LONGEST_INT:
        return f"<int of {node.bit_length():,} bits>"
    return str(node)


def _compared_entries(
    old: dict[str, Node], new: dict[str, Node], old_hidden: int, new_hidden: int, levels: int
) -> ChangeSet:
    changes = ChangeSet()
    for key, after in new.items():
        before = old.get(key, _MISSING)
        if before is after:
            continue
        if before is not _MISSING:
            _note(changes, key, before, after, levels)
        elif not old_hidden:
            changes.added[key] = after
    if not new_hidden and not old.keys() <= new.keys():
        for key, before in old.items():
            if key not in new:
                changes.removed[key] = before
    return changes


def _compared_items(
    old: list[Node], new: list[Node], old_hidden: int, new_hidden: int, levels: int
) -> ChangeSet:
    changes = ChangeSet()
    both = min(len(old), len(new))
    for index, (before, after) in enumerate(zip(old, new)):  # noqa: B905
        if before is not after:
            _note(changes, str(index), before, after, levels)
    if not old_hidden:
        changes.added.update((str(index), new[index]) for index in range(both, len(new)))
    elif new_hidden != old_hidden and len(old) + old_hidden != len(new) + new_hidden:
        changes.changed["length"] = (len(old) + old_hidden, len(new) + new_hidden)
    if not new_hidden:
        changes.removed.update((str(index), old[index]) for index in range(both, len(old)))
    return changes


def _note(changes: ChangeSet, key: str, before: Node, after: Node, levels: int) -> None:
    if type(before) in _PLAIN and type(after) in _PLAIN:
        if before != after:
            changes.changed[key] = (before, after)
        return
    if _alike(before, after):
        return
    nested = _compared(before, after, levels - 1) if levels > 1 else None
    if nested is None:
        changes.changed[key] = (before, after)
    elif nested:
        changes.changed[key] = nested
        changes.partial = changes.partial or nested.partial


def _alike(before: Node, after: Node) -> bool:
    """Whether two nodes say the same, as far as both show it."""
    if before == after:
        return identical(before, after)
    if type(before) is float and type(after) is float:
        return before != before and after != after  # two NaN
    old, new = inner(before), inner(after)
    if old is None or new is None or not (_is_marked(before) or _is_marked(after)):
        return _alike_texts(before, after) if old is None and new is None else _alike_entries(old, new)
    same_length = len(old) + omitted(before) == len(new) + omitted(after)
    return same_length and _kind(before) == _kind(after) and _alike_entries(old, new, shown_only=True)


def _is_marked(node: Node) -> bool:
    return type(node) is Mark and node[0] in (HEAD, ITEMS, FIELDS)


def _alike_texts(before: Node, after: Node) -> bool:
    """Two cut texts, or bytes, are alike when they are equally long and what both show is the same."""
    (old, old_length), (new, new_length) = _text(before), _text(after)
    if old is None or new is None or old_length != new_length:
        return False
    both = min(len(old), len(new))
    return bool(old[:both] == new[:both])


def _text(node: Node) -> tuple[Any, Any]:
    """What is kept of a text or of bytes, None where it is neither, and the kind and length of the whole."""
    if type(node) is str:
        return node, (CUT, len(node))
    if type(node) is Mark and node[0] is CUT:
        return node[1], (CUT, node[3])
    if type(node) is Mark and node[0] is BYTES:
        return node[2], (node[1], node[4])
    return None, None


def _alike_entries(old: Any, new: Any, shown_only: bool = False) -> bool:
    if type(old) is not type(new) or old is None or (not shown_only and len(old) != len(new)):
        return False
    if type(old) is dict:
        if not shown_only and old.keys() != new.keys():
            return False
        return all(_alike(old[key], new[key]) for key in old if key in new)
    return all(_alike(before, after) for before, after in zip(old, new))  # noqa: B905
