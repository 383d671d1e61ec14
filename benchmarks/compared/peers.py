"""Other systems of secret sharing, each in an environment of its own."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from compared.questions import Answer, Data

LINE = re.compile(r"total send bytes (?P<bytes>\d+)|^answer (?P<name>\w+) (?P<answer>\{.*\})$", re.MULTILINE)
WAIT_S = 300


def asked(kind: str, python: str, data: Data) -> dict[str, Answer]:
    """Their answers; what bringing data costs is not measured. RuntimeError with the peer's last line."""
    script = Path(__file__).with_name("peer_questions.py")
    command = [python, str(script), kind, str(data.rows), str(data.columns)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=WAIT_S)
    found, logged = {}, 0
    for line in LINE.finditer(done.stdout):
        if line["bytes"]:
            logged = int(line["bytes"])
            continue
        answer = json.loads(line["answer"])
        # SPU logs one party's
        sent = 3 * logged if answer["answer_bytes"] is None else answer["answer_bytes"]
        found[line["name"]] = Answer(0, 0, answer["answer_s"], sent, answer["error"])
    if done.returncode != 0 or not found:
        raise RuntimeError((done.stdout.strip().splitlines() or ["no word"])[-1])
    return found
