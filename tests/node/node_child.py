"""One node as a fresh process of a test, which imports everything anew: `node_child.py NODE_TOML LISTENER READY LANES`.

The numbers are descriptors that it inherits: the bound sockets, and a pipe for a byte when it serves.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from node.zygote import run_node

if __name__ == "__main__":
    settings, listener, ready, lanes = sys.argv[1:]
    run_node(Path(settings), int(listener), int(ready), [int(lane) for lane in lanes.split(",")], [])
