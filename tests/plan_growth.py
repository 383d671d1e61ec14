"""Prints the processor seconds to record, compile, write and read back plans of so many operations: a script."""

from __future__ import annotations

import json
import sys
import time

import tercet.array as tc
from plan_trio import TrioSession
from tercet.plan.network import LAN
from tercet.plan.plan import OutputKind, Plan
from tercet.plan.record.compile import Wanted, compile_plan


def seconds(count: int) -> float:
    session = TrioSession()
    x = session.share([1.0, 2.0], bounds=(-4, 4))
    y = session.share([3, 4], bounds=(0, 4))
    began = time.process_time()
    total = x
    for step in range(count // 5):
        total = tc.assume(total * x + (y if step % 2 else 1), (-4, 4))
    plan = compile_plan([Wanted(total.node, OutputKind.REVEAL)], LAN)
    assert len(plan.operations) >= 0.7 * count
    assert Plan.from_bytes(plan.to_bytes()).to_bytes() == plan.to_bytes()
    return time.process_time() - began


if __name__ == "__main__":
    print(json.dumps([seconds(int(count)) for count in sys.argv[1:]]))
