# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the instructions of a record go, by the disassembly of the module.

The code for most faults, first tries on anonymous memory, is laid out in a straight line:
no conditional jump is taken except the one to the code that records.  So it can be
followed through the disassembly. The debug information names the source function of each
instruction, also if that was inlined.  The instructions that lead to the module are the
difference from the measured total.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

# A part, as in the report -> the source functions that its instructions come from.
PARTS = {
    "the clock": ("pf_clock_ns", "pf_cycles", "rdtsc_ordered"),
    "is the thread traced": ("pf_is_tracked", "pf_direct_enter"),
    "registers, preemption, guard": (
        "pf_ftrace_enter",
        "pf_direct_save",
        "__preempt_count_add",
        "__preempt_count_dec_and_test",
    ),
    "is it a retry": ("pf_fault_is_new",),
    "the thread's number in the namespace": ("pf_target_nr_of", "task_pid"),
    "time, address and ip": ("instruction_pointer", "pf_describe"),
    "access and region": ("pf_is_plain", "pf_what_of_plain", "pf_region_of_anon"),
    "the list": ("pf_list_chunk", "pf_list_has_room", "pf_list_publish", "pf_record"),
}
REST = "arguments, calls and the rest"
# Placement -> the functions that a fault passes through, each up to its return or to its
# jump or call to the next one.
PATHS = {
    "jump": ("pf_kprobe_enter", "pf_kprobe_capture"),
    "callback": ("pf_callback", "pf_callback_record"),
    "direct": ("pf_direct_enter", "pf_direct_save", "pf_direct_record"),
}


class PartsError(Exception):
    """The disassembly is not as expected; the text says in which way."""


@dataclass(frozen=True)
class Instruction:
    """`chain` is the functions that it was inlined from, the innermost first."""

    address: int
    text: str
    chain: tuple[str, ...]


def disassemble(module: Path, function: str) -> dict[int, Instruction]:
    """A function's instructions by address; empty if the module has no function of that name."""
    line = ["objdump", "-d", "--no-show-raw-insn", "-l", "--inlines", str(module)]
    done = subprocess.run(
        [*line, f"--disassemble={function}"], capture_output=True, text=True, check=True
    )
    return {x.address: x for x in instructions(done.stdout.splitlines(), function)}


def instructions(lines: Iterable[str], function: str) -> Iterator[Instruction]:
    """Parse objdump's output.

    Before an instruction it names the innermost function and those that this is inlined
    into, unless they are the same as for the previous instruction.
    """
    chain: tuple[str, ...] = (function,)
    within = False
    fresh: list[str] = []
    for line in lines:
        if head := re.match(r"[0-9a-f]+ <(.*)>:$", line):
            within, chain = head[1] == function, (function,)
        elif not within:
            continue
        elif named := re.match(r"(\w+)(?:\.\S+)?\(\):$", line):
            chain, fresh = (named[1],), []
        elif inlined := re.match(r"inlined by .* \((\w+)\)$", line):
            fresh.append(inlined[1])
        elif found := re.match(r"\s+([0-9a-f]+):\t(.*?)\s*(?:#.*)?$", line):
            if fresh:
                chain = (chain[0], *fresh)
            fresh = []
            yield Instruction(int(found[1], 16), found[2], chain)


def followed(code: dict[int, Instruction], then: str) -> Iterator[Instruction]:
    """The instructions from the first to the return, or to the jump or call to `then`."""
    addresses = sorted(code)
    at = addresses[0]
    filling = False
    while True:
        step = code[at]
        # Where the kernel patches in an alternative, it fills the remainder with one no-op.
        if not (filling and step.text == "nop"):
            yield step
        filling = step.text == "nop"
        mnemonic, _, operands = step.text.partition(" ")
        target = re.match(r"\s*([0-9a-f]+) <([^+>]*)", operands)
        if target and target[2].split(".")[0] == then:
            return
        if mnemonic.startswith("ret"):
            return
        if mnemonic == "jmp":
            to = int(target[1], 16) if target else -1
            if to not in code or to == at + 5:
                return  # a return, by the thunk that is not linked yet
            at = to
            continue
        if mnemonic == "je" and then and target and int(target[1], 16) in code:
            at = int(target[1], 16)  # the thread is tracked
            continue
        later = addresses[addresses.index(at) + 1 :]
        if not later:
            raise PartsError(f"{step.chain[-1]} runs out at {step.text}")
        at = later[0]


def part_of(step: Instruction) -> str:
    """The part that an instruction belongs to."""
    for name in step.chain:
        for part, names in PARTS.items():
            if name in names:
                return part
    return REST


def count(module: Path, placement: str) -> Counter[str]:
    """Instructions of each part for a plain fault; PartsError if a function is missing."""
    counts: Counter[str] = Counter()
    path = PATHS[placement]
    for function, then in zip(path, (*path[1:], "")):
        code = disassemble(module, function)
        if not code:
            raise PartsError(f"no {function}() in {module.name}")
        counts.update(map(part_of, followed(code, then)))
        if function == "pf_direct_save":
            counts[part_of(code[min(code)])] += 5  # after the call: four pops, a return
    return counts
