"""What a code object calls, where, and what becomes of the result: read once from its bytecode.

This is the only module that knows opcodes. It serves both probes: `sys.monitoring` reports a call
by its offset, `sys.setprofile` by the caller's last instruction.
"""

from __future__ import annotations

import dis
from bisect import bisect_right
from types import CodeType
from typing import Final, Literal, NamedTuple

RETURNED: Final = ""
"""The `result` of a call whose value the code returns at once."""

_CALLS: Final = frozenset({"CALL", "CALL_KW", "CALL_FUNCTION", "CALL_FUNCTION_KW", "CALL_METHOD"})
_ATTRIBUTES: Final = frozenset({"LOAD_METHOD", "LOAD_ATTR", "LOAD_SUPER_ATTR"})
_LOCALS: Final = frozenset(
    {"LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_BORROW", "LOAD_DEREF", "LOAD_CLASSDEREF"}
)
# Two accesses in one instruction (3.13); the second is the load.
_PAIRS: Final = frozenset(
    {"LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW", "STORE_FAST_LOAD_FAST"}
)
# An exception that comes out of what is awaited leaves a frame at SEND (3.11+) or YIELD_FROM (3.10).
_SUSPENDS: Final = frozenset({"YIELD_VALUE", "RETURN_GENERATOR"})
_AWAITS: Final = frozenset({"SEND", "YIELD_FROM", "FOR_ITER", "YIELD_VALUE", "RESUME"})
# What may stand between a call and the place its result goes to: an await, an `or []`, the end of a block.
_BETWEEN: Final = frozenset(
    {"GET_AWAITABLE", "SEND", "YIELD_FROM", "YIELD_VALUE", "RESUME", "JUMP_BACKWARD_NO_INTERRUPT",
     "END_SEND", "CACHE", "NOP", "COPY", "TO_BOOL", "NOT_TAKEN", "JUMP_IF_TRUE_OR_POP", "POP_JUMP_IF_TRUE",
     "POP_JUMP_FORWARD_IF_TRUE", "POP_TOP", "BUILD_LIST", "SWAP", "ROT_TWO", "ROT_FOUR", "POP_BLOCK",
     "POP_EXCEPT", "PRECALL"}
)  # fmt: skip


class CallSite(NamedTuple):
    """One call of an attribute: `receiver.name(...)`.

    `receiver` is the local variable the attribute is read from, None where it is something else
    (`super()`, another call). `result` is the local variable that takes the value, `RETURNED`, or
    None where it goes elsewhere. `awaited` tells that the value is awaited on the spot.
    """

    name: str
    receiver: str | None
    result: str | None
    awaited: bool


class Calls:
    """The attribute calls of one code object, by the offset of their instruction."""

    def __init__(self, code: CodeType) -> None:
        self.by_offset: dict[int, CallSite] = {}
        """CALL offset → site; calls of plain names and of anything but an attribute are left out."""
        self._starts: list[int] = []
        self._sites: list[int | None] = []
        instructions = [item for item in dis.get_instructions(code) if item.opname != "CACHE"]
        site: int | None = None
        for index, item in enumerate(instructions):
            if item.opname in _CALLS or item.opname == "CALL_FUNCTION_EX":
                found = _site(instructions, index)
                site = None if found is None else item.offset
                if found is not None:
                    self.by_offset[item.offset] = found
            elif item.opname not in _BETWEEN and item.opname != "LOAD_CONST":
                site = None
            self._starts.append(item.offset)
            self._sites.append(site)

    def at(self, last_instruction: int) -> int | None:
        """The offset of the call a frame is in, or awaits the result of, given its `f_lasti`."""
        return self._sites[self._index(last_instruction)] if self._starts else None

    def _index(self, last_instruction: int) -> int:
        # f_lasti may point at an inline cache entry that belongs to the instruction before it (3.11).
        return max(bisect_right(self._starts, last_instruction) - 1, 0)


def ending(code: CodeType, last_instruction: int) -> Literal["returned", "suspended", "raised"]:
    """How a frame of `code` that stops at `last_instruction` stops.

    One that is thrown an exception where it was suspended, and does not catch it, looks suspended.
    """
    opcodes = code.co_code
    if last_instruction < 0:  # 3.10: thrown an exception before it began
        return "raised"
    name = dis.opname[opcodes[last_instruction]]
    if name.startswith("RETURN_") and name != "RETURN_GENERATOR":
        return "returned"
    if name == "RESUME" and opcodes[last_instruction + 1] & 3:
        return "suspended"  # 3.13 stops on the instruction after the yield
    # 3.10 stops on the instruction before YIELD_FROM, which it is about to repeat.
    following = opcodes[last_instruction + 2 : last_instruction + 3]
    if name in _SUSPENDS or (following and dis.opname[following[0]] == "YIELD_FROM"):
        return "suspended"
    return "raised"


def begins(code: CodeType, last_instruction: int) -> bool:
    """Whether a coroutine or generator that is entered at `last_instruction` is at its beginning.

    On 3.10 also if it is only thrown an exception there.
    """
    if last_instruction < 0:
        return True
    opcodes = code.co_code
    return dis.opname[opcodes[last_instruction]] == "RESUME" and not opcodes[last_instruction + 1] & 3


def is_end_of_await(code: CodeType, last_instruction: int, exception: BaseException) -> bool:
    """Whether `exception` only tells a frame of `code` that what it awaits has its result."""
    name = dis.opname[code.co_code[last_instruction]]
    # From 3.12 on a frame through which an exception was thrown, and caught below, still is at its yield.
    return issubclass(type(exception), StopIteration) and name in _AWAITS


def handler_lines(code: CodeType) -> frozenset[int]:
    """The lines of `except …:` clauses: a frame that comes to one of them has caught something."""
    lines: set[int] = set()
    line = 0
    for item in dis.get_instructions(code):
        if item.starts_line is not None:
            # 3.13 made `starts_line` a flag and moved the number to `line_number`.
            line = getattr(item, "line_number", None) or int(item.starts_line)
        if item.opname == "CHECK_EXC_MATCH":
            lines.add(line)
    return frozenset(lines)


def landings(code: CodeType) -> frozenset[int]:
    """The offsets at which an exception has left the call it came from and is not in `sys.exc_info` yet.

    From where the exception table lands (`with`, the end of an inlined comprehension, an await that is
    cancelled) to the instruction that publishes the exception or raises it on.
    """
    entries = getattr(dis.Bytecode(code), "exception_entries", ())
    targets = {entry.target for entry in entries}
    offsets: set[int] = set()
    landed = False
    for item in dis.get_instructions(code):
        landed = landed or item.offset in targets
        if landed:
            offsets.add(item.offset)
        landed = landed and item.opname not in {"PUSH_EXC_INFO", "RERAISE", "CLEANUP_THROW"}
    return frozenset(offsets)


def _site(instructions: list[dis.Instruction], index: int) -> CallSite | None:
    load = _callable_load(instructions, index)
    if load is None or instructions[load].opname not in _ATTRIBUTES:
        return None
    receiver: str | None = None
    before = instructions[load - 1] if load else None
    if before is not None and instructions[load].opname != "LOAD_SUPER_ATTR":
        if before.opname in _LOCALS:
            receiver = before.argval
        elif before.opname in _PAIRS:
            receiver = before.argval[-1]
    result, awaited = _destination(instructions, index)
    return CallSite(str(instructions[load].argval), receiver, result, awaited)


def _callable_load(instructions: list[dis.Instruction], index: int) -> int | None:
    """The index of the instruction that loaded what the call at `index` calls; None if unclear.

    Walks backward and counts the stack slots of the arguments; gives up at any jump.
    """
    call = instructions[index]
    if call.opname == "CALL_FUNCTION_EX":
        missing = 1 + ((call.arg or 0) & 1)
    else:
        missing = (call.arg or 0) + (call.opname in {"CALL_KW", "CALL_FUNCTION_KW"})
    last = index - 1
    while last > 0 and instructions[last].opname in {"PRECALL", "KW_NAMES"}:  # 3.11 and 3.12
        last -= 1
    for position in range(last, -1, -1):
        item = instructions[position]
        if missing == 0 and item.opname != "PUSH_NULL":
            return position
        if missing == 0:
            continue
        if item.opcode in dis.hasjrel or item.opcode in dis.hasjabs or missing < 0:
            return None
        missing -= dis.stack_effect(item.opcode, item.arg, jump=False)
    return None


def _destination(instructions: list[dis.Instruction], index: int) -> tuple[str | None, bool]:
    awaited = False
    previous = ""
    for item in instructions[index + 1 :]:
        if item.opname == "RETURN_VALUE":
            return RETURNED, awaited
        if item.opname == "STORE_FAST":
            return str(item.argval), awaited
        if item.opname.startswith("STORE_FAST_"):
            return str(item.argval[0]), awaited  # a store and a second instruction in one (3.13)
        if item.opname == "BUILD_LIST" and item.arg:
            return None, awaited  # a list of it, not the one in its place
        if item.opname not in _BETWEEN and not (item.opname == "LOAD_CONST" and previous == "GET_AWAITABLE"):
            return None, awaited
        previous = item.opname
        awaited = awaited or previous == "GET_AWAITABLE"
    return None, awaited
