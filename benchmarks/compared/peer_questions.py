"""The questions asked of a peer, in its own environment: `python peer_questions.py spu|crypten ROWS COLUMNS`.

Prints a line `answer QUESTION {json}` for each. SPU is its in-process simulator (ABY3, ring 64), CrypTen three
processes over loopback without TLS: both with the settings that they come with. SPU logs the bytes of each run
before its answer, of one party of three.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from questions import Data, solved

REPEATS = 4


def needs(data: Data) -> dict[str, list[Any]]:
    z = np.column_stack([np.ones(data.rows), data.x, data.y])
    return {
        "mean": [data.x],
        "moments": [z],
        "step": [data.x, data.label.astype(float), data.weights],
        "comparison": list(data.pair),
    }


def told(data: Data, name: str, seconds: list[float], found: Any, sent: float | None) -> None:
    """The first run is not counted."""
    result = solved(np.asarray(found, float)) if name == "moments" else found
    answer = {"answer_s": statistics.median(seconds[1:]), "answer_bytes": sent, "error": data.error(name, result)}
    print("\nanswer", name, json.dumps(answer), flush=True)


def by_spu(data: Data) -> None:
    import jax
    import jax.numpy as jnp
    import spu
    import spu.api as spu_api
    from spu.utils.simulation import Simulator, sim_jax

    asked: dict[str, Callable[..., Any]] = {
        "mean": lambda x: jnp.mean(x, axis=0),
        "step": lambda x, label, w: w - x.T @ (jax.nn.sigmoid(x @ w) - label) / data.rows,
        "comparison": lambda a, b: jnp.sum(a < b),
    }
    simulator = Simulator.simple(3, spu.ProtocolKind.ABY3, spu.FieldType.FM64)
    simulator.rt_config.enable_pphlo_profile = True
    spent: list[float] = []
    original = spu_api.Runtime.run

    def run(self: Any, executable: Any) -> None:
        began = time.perf_counter()
        original(self, executable)
        spent.append(time.perf_counter() - began)

    spu_api.Runtime.run = run
    inputs_of = needs(data)
    # not X'X: its threads wait by spinning, so that three of them on two cores in the real-time class take 48 s, where
    # `run.py --peer` in the ordinary class took 3 s for ten times the rows
    for name, question in asked.items():
        spent.clear()
        secure = sim_jax(simulator, question)
        for _ in range(REPEATS):
            found = secure(*inputs_of[name])
        told(data, name, [max(spent[at : at + 3]) for at in range(0, len(spent), 3)], found, None)


def by_crypten(data: Data) -> None:
    import crypten  # noqa: F401  (fails here, where parties that fail would be waited for)

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    processes = multiprocessing.get_context("spawn")
    results = processes.Queue()
    parties = [processes.Process(target=crypten_party, args=(rank, port, data, results)) for rank in range(3)]
    for party in parties:
        party.start()
    for name in needs(data):
        of_parties = [results.get(timeout=120) for _ in parties]
        seconds = [max(run) for run in zip(*(one[0] for one in of_parties), strict=True)]
        told(data, name, seconds, of_parties[0][1], sum(one[2] for one in of_parties))
    for party in parties:
        party.join()


def crypten_party(rank: int, port: int, data: Data, results: Any) -> None:
    os.environ.update(WORLD_SIZE="3", RANK=str(rank), RENDEZVOUS=f"tcp://127.0.0.1:{port}", DISTRIBUTED_BACKEND="gloo")
    import crypten
    import torch

    asked: dict[str, Callable[..., Any]] = {
        "mean": lambda x: x.mean(0),
        "moments": lambda z: z.t().matmul(z),
        "step": lambda x, label, w: w - x.t().matmul(x.matmul(w).sigmoid() - label) / data.rows,
        "comparison": lambda a, b: (a < b).sum(),
    }
    crypten.init()
    crypten.cfg.communicator.verbose = True
    link = crypten.communicator.get()
    for name, inputs in needs(data).items():
        secret = [crypten.cryptensor(torch.tensor(one, dtype=torch.float64)) for one in inputs]
        seconds = []
        for _ in range(REPEATS):
            link.reset_communication_stats()
            began = time.perf_counter()
            found = asked[name](*secret).get_plain_text().numpy()
            seconds.append(time.perf_counter() - began)
        results.put((seconds, found.tolist(), link.get_communication_stats()["bytes"]))


if __name__ == "__main__":
    {"spu": by_spu, "crypten": by_crypten}[sys.argv[1]](Data(int(sys.argv[2]), int(sys.argv[3])))
