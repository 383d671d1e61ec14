"""`tercet play` as people start and end it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys

import httpx
import pytest

CODE = """
import time
from tercet.cli import main
from tercet.web.play import site

site._load = lambda: time.sleep({load_s})
main()
"""


@pytest.mark.nodes
@pytest.mark.parametrize("load_s", [0, 1000], ids=["loaded", "while it loads"])
def test_the_page_is_there_until_ctrl_c(load_s: int) -> None:
    command = [sys.executable, "-W", "error", "-c", CODE.format(load_s=load_s), "play", "--no-browser"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        link = next(found for line in running.stdout if (found := re.search(r"(http://\S+/)#(\S+)", line)))
        with httpx.Client(base_url=link[1], headers={"origin": link[1].rstrip("/")}, trust_env=False) as client:
            assert "Tercet playground" in client.get("").text
            assert client.post("session", json={"link": link[2]}).status_code == 200
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 0
