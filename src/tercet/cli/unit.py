"""The systemd unit of a node; `deploy/tercet-node.service` is its text for the usual places."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path("/var/lib/tercet")
COMMAND = Path("/opt/tercet/bin/tercet")
USER = "tercet"

_UNIT = """\
# One Tercet node as a service. Made by: tercet node unit
#
#   useradd --system --home-dir {folder} --shell /usr/sbin/nologin {user}
#   install -d -m 700 -o {user} -g {user} {folder}
#   cp tercet-node.service /etc/systemd/system/ && systemctl daemon-reload
#   systemctl enable --now tercet-node && journalctl -u tercet-node -f

[Unit]
Description=Tercet node
Wants=network-online.target time-sync.target
After=network-online.target time-sync.target
# a node that cannot start (a wrong setting) is not started again for ever
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
Type=exec
User={user}
Group={user}
WorkingDirectory={folder}
ExecStart={command} node run --node {folder}/node.toml
Restart=on-failure
RestartSec=2
# the node ends its workers and finishes what it writes; after this, all of them are killed
KillMode=mixed
TimeoutStopSec=30
UMask=0077
# shares and keys must not reach a disk through a core dump or swap
LimitCORE=0
MemorySwapMax=0
LimitNOFILE=65536

# the node's folder is all that it may write
ProtectSystem=strict
ReadWritePaths={folder}
ProtectHome=true
PrivateTmp=true
PrivateDevices=true
PrivateIPC=true
PrivateUsers=true

# no privileges, and no way to get any
NoNewPrivileges=true
CapabilityBoundingSet=
AmbientCapabilities=
RestrictSUIDSGID=true
LockPersonality=true
RestrictNamespaces=true
RestrictRealtime=true
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM
ProtectClock=true
ProtectControlGroups=true
ProtectHostname=true
ProtectKernelLogs=true
ProtectKernelModules=true
ProtectKernelTunables=true
ProtectProc=invisible
MemoryDenyWriteExecute=true

[Install]
WantedBy=multi-user.target
"""


def unit(folder: Path = FOLDER, command: Path = COMMAND, user: str = USER) -> str:
    """The text of the unit for a node in this folder. `tercet node unit` prints it."""
    return _UNIT.format(folder=folder, command=command, user=user)
