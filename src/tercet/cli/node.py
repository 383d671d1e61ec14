"""`tercet node`: commands of an operator for their own node: make it, run it, rotate keys, back up, restore."""

from __future__ import annotations

import gc
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tercet.cli.federation import ENTRY_SUFFIX, write_entry
from tercet.cli.options import SETTINGS, NodeOption, example, load_settings, own_node
from tercet.cli.output import amount, console, facts, grouped, moment, say
from tercet.errors import ConfigError
from tercet.federation.text import counted
from tercet.node import processes
from tercet.node.trial import FEDERATION

app = typer.Typer(no_args_is_help=True, help="Run a node, and decide what it takes part in.")

PORT, FIRST_WORKER_PORT = 7643, 7650
COMMAND = Path("/opt/tercet/bin/tercet")


@app.command(
    epilog=example(
        'tercet node init --name hospital-a --operator "Hospital A" --address tercet.hospital-a.example',
        "tercet node init trial --name node-a --address 127.0.0.1 --listen 127.0.0.1 --port 9001 --worker-port 9011",
    )
)
def init(
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Small letters, digits and -; others see it.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the node's files go.")] = Path(),
    operator: Annotated[str, typer.Option("--operator", help="The organisation, as others should read it.")] = "",
    address: Annotated[
        str, typer.Option("--address", metavar="HOST", help="Under which name or number others reach this machine.")
    ] = "",
    listen: Annotated[str, typer.Option("--listen", metavar="HOST", help="Where to listen.")] = "0.0.0.0",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="The port of the HTTP interface.")] = PORT,
    worker_port: Annotated[
        int, typer.Option("--worker-port", min=1, max=65000, help="The first port of the workers.")
    ] = FIRST_WORKER_PORT,
    lanes: Annotated[
        int, typer.Option("--lanes", min=1, max=16, help="Jobs at a time; the same at all three nodes.")
    ] = 2,
) -> None:
    """Make a node's folder.

    It gets an identity, commented settings and policy, and the public entry for the federation file. Nothing that
    is there already is overwritten.
    """
    from tercet.client.own_node import bracketed
    from tercet.node.settings import init_node

    reached = address or (name if listen in ("0.0.0.0", "::") else listen)
    entry = init_node(
        folder,
        name,
        operator=operator,
        host=listen,
        port=port,
        first_port=worker_port,
        lanes=lanes,
        url=f"https://{bracketed(reached)}:{port}",
        lanes_address=f"{bracketed(reached)}:{worker_port}",
    )
    public = folder / f"{name}{ENTRY_SUFFIX}"
    write_entry(public, entry)
    ports = f"{worker_port}" if lanes == 1 else f"{worker_port} to {worker_port + lanes - 1}"
    facts(
        {
            "node": name,
            "folder": f"{folder.resolve()} (private: keys and, later, shares)",
            "settings": folder / SETTINGS,
            "policy": f"{folder / 'policy.toml'} (lets nobody do anything yet)",
            "entry": f"{public} (public: for the federation file)",
            "fingerprint": grouped(entry.fingerprint),
            "valid until": moment(entry.card.not_after),
            "open the ports": f"{port} to owners, analysts and the two other nodes; {ports} to the two nodes only",
        }
    )
    say(
        f"\nNext: send {public.name} to whoever makes the federation file, put the finished {FEDERATION} into the\n"
        "folder, compare fingerprints (tercet federation show), write policy.toml, then: tercet node run"
    )


@app.command(epilog=example("tercet node run", "tercet node run --node /var/lib/tercet"))
def run(node: NodeOption = Path(SETTINGS)) -> None:
    """Serve until SIGTERM or Ctrl-C; logs go to standard error."""
    # nothing that is loaded is garbage, and there is enough of it to look for long
    gc.disable()
    from tercet.node.worker.launch import WorkerLauncher

    # before anything else is loaded or read: workers are forked from what is here now
    with closing(WorkerLauncher.fork()) as launcher:
        from tercet.node.daemon import run as serve

        gc.enable()
        serve(load_settings(node), launcher=launcher)


@app.command(epilog=example("tercet node unit > /etc/systemd/system/tercet-node.service"))
def unit(
    folder: Annotated[Path, typer.Option("--folder", help="The node's folder.")] = Path("/var/lib/tercet"),
    command: Annotated[Path, typer.Option("--command", help="Where the command tercet is installed.")] = COMMAND,
    user: Annotated[str, typer.Option("--user", help="The account that the node runs as.")] = "tercet",
) -> None:
    """Print a hardened systemd unit; its head says how to use it."""
    if not folder.is_absolute() or not command.is_absolute():
        raise ConfigError("systemd wants whole paths", hint="begin --folder and --command with /")
    say(_UNIT.format(folder=folder, command=command, user=user), nl=False)


# -- keys


@app.command(epilog=example("tercet node rotate", "tercet node rotate --finish"))
def rotate(
    finish: Annotated[bool, typer.Option("--finish", help="Use the new keys; the node must be stopped.")] = False,
    node: NodeOption = Path(SETTINGS),
) -> None:
    """Give the node new keys under its old name, in two steps.

    Do this long before the certificate ends. First, without options: makes the new identity beside the old one, and
    the entry for the federation file. When all three nodes have the new federation file, stop the node, run this
    with --finish, and start the node.
    """
    from tercet.client.own_node import local_url
    from tercet.federation.federation import Federation
    from tercet.federation.identity import Card, Member

    settings = load_settings(node)
    current = settings.identity_path
    coming = current.with_name(f"{current.stem}.next{current.suffix}")
    federation = Federation.load(settings.federation_path)
    mine = federation.node(federation.party(settings.name))
    if not finish:
        member = Member.create(settings.name)
        member.save(coming)
        public = settings.base / f"{settings.name}{ENTRY_SUFFIX}"
        write_entry(public, mine.model_copy(update={"certificate": member.card.pem()}))
        facts(
            {
                "new identity": f"{coming} (private, not in use yet)",
                "new entry": f"{public} (public: for the federation file)",
                "new fingerprint": grouped(member.card.fingerprint),
                "valid until": moment(member.card.not_after),
            }
        )
        say(
            f"\nNext: one operator runs `tercet federation add {public.name}`; all nodes, owners and analysts get the\n"
            "new federation file. At a time that you agree on: stop the nodes, put the file into place,\n"
            "`tercet node rotate --finish` here, start the nodes."
        )
        return
    card = Card.load(coming)
    if mine.card != card:
        raise ConfigError(
            f"{settings.federation_path} does not have the new certificate of {settings.name} yet",
            hint="put the new federation file there first, at all three nodes",
        )
    old = Card.load(current)
    if processes.answers(local_url(settings), old.certificate, "/healthz"):
        raise ConfigError("the node is running with its old keys", hint="stop it, then finish, then start it")
    kept = current.with_name(f"{current.stem}.until-{datetime.now(UTC):%Y-%m-%d}{current.suffix}")
    kept_card = settings.base / f"{settings.name}.{old.fingerprint[:8]}.card.pem"
    if kept.exists():
        raise ConfigError(f"{kept} is there already", hint="move it away")
    kept_card.write_text(old.pem(), encoding="ascii")
    current.rename(kept)
    coming.rename(current)
    facts(
        {
            "in use now": f"{current} ({card.fingerprint[:16]})",
            "old identity": f"{kept} (delete it when the nodes work)",
            "old card": f"{kept_card} (keep it: tercet audit verify --card needs it)",
        }
    )


# -- copies


@app.command(epilog=example("tercet node backup 2026-05-01"))
def backup(
    target: Annotated[str, typer.Argument(metavar="FOLDER", help="A new folder below backup_folder of node.toml.")],
    node: NodeOption = Path(SETTINGS),
) -> None:
    """Copy catalogue and shares while the node runs.

    The copy is of one moment. Protect it like the node itself: together with another node's it gives everything.
    Keys are not in it: keep identity.pem apart, once. Delete old backups after `tercet refresh`: that is what
    refreshing is for.
    """
    from tercet.federation.api_admin import BackupInfo, BackupOrder

    with own_node(node) as own:
        done = own.post("/v1/admin/backup", BackupOrder(path=target), BackupInfo)
    versions = ", ".join(f"{name} (version {version})" for name, version in done.versions.items())
    facts(
        {
            "backup": done.path,
            "size": f"{amount(done.nbytes)} in {counted(done.files, 'file')}",
            "datasets": versions or "none",
            "audit": counted(done.audit.number, "entry"),
        }
    )


@app.command(epilog=example("tercet node restore backups/2026-05-01"))
def restore(
    source: Annotated[Path, typer.Argument(metavar="FOLDER", help="What `tercet node backup` made.")],
    node: NodeOption = Path(SETTINGS),
) -> None:
    """Put a backup into a node whose store is empty.

    Every byte is checked. Then start the node: `tercet node status` says which datasets do not fit the other nodes'
    any more, because something was uploaded, withdrawn or refreshed after the backup.
    """
    from tercet.store.backup import restore as put_back
    from tercet.store.catalogue import Catalogue

    settings = load_settings(node)
    settings.folder_path.mkdir(parents=True, exist_ok=True)
    catalogue = Catalogue(settings.database_url)
    try:
        done = put_back(source, catalogue, settings.folder_path)
    finally:
        catalogue.close()
    facts(
        {
            "restored": f"{settings.folder_path}, as it was {done.created}",
            "size": f"{amount(done.bytes)} in {counted(done.files, 'file')}",
        }
    )
    console().print("\nNext: tercet node run, then tercet node status: it compares with the other nodes.")


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
"""The systemd unit of a node; `deploy/tercet-node.service` is its text for the usual places."""
