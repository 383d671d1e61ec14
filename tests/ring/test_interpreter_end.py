"""A thread that is inside a kernel while the interpreter ends: the process ends as it would without it."""

from __future__ import annotations

import subprocess
import sys

import pytest

# an object that is torn down with the modules keeps the interpreter ending for as long as the kernel takes
_PROGRAM = """
import sys, threading, time, types
import numpy as np
from tercet.ring import ring

class Slow:
    def __del__(self, sleep=time.sleep, write=sys.__stderr__.write):
        write("ending ")
        sleep({seconds})
        write("ended")

held = types.ModuleType("held")
held.slow = Slow()
sys.modules["held"] = held
del held
entered = threading.Event()

r = ring({ring_bits})
a = r.from_ints(np.ones(({side}, {side}), np.int64))

def work():
    entered.set()
    r.matmul(a, a)

threading.Thread(target=work, daemon=True).start()
entered.wait()
time.sleep(0.02)
"""


@pytest.mark.parametrize("ring_bits", [64, 128])
def test_a_thread_in_a_kernel_does_not_end_the_process_by_a_signal(ring_bits: int) -> None:
    """Three processes at once: most of their time they sleep."""
    side = 1300 if ring_bits == 64 else 500
    program = _PROGRAM.format(seconds=3, ring_bits=ring_bits, side=side)
    three = [subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True) for _ in range(3)]
    for one in three:
        _, told = one.communicate(timeout=120)
        assert (one.returncode, told) == (0, "ending ended")
