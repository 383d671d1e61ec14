"""Backup of one node while it runs, and restore into an empty place.

A backup is a folder: `catalogue.jsonl` (every row, of one moment, in a form that either kind of database takes),
`parts/` (share files; hard links where possible, since they never change), `extra/`, and `manifest.json` with a hash of
everything. Like a node's disk it holds shares: two nodes' backups together give all values. It has no private key.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, MetaData, func, insert, select, text

from tercet.errors import ConfigError, Gone, InputError, IntegrityError, StorageError
from tercet.federation.model import ascii_json
from tercet.federation.text import utc_time
from tercet.store.catalogue import RESTORE_UNTOLD, RESTORED, Catalogue
from tercet.store.datasets import names, version_row
from tercet.store.files import PARTS, SUFFIX, PartFile, make_folder, sync_folder, translated, write_file
from tercet.store.kept import arrays_where
from tercet.store.sweep import referred, segments_there
from tercet.store.tables import DATASETS, KEPT, METADATA

FORMAT = 1
_CATALOGUE, _MANIFEST, _HASH, _EXTRA = "catalogue.jsonl", "manifest.json", "manifest.sha256", "extra"
_ATTEMPTS = 3
_NAME_BYTES, _PATH_LENGTH = 200, 400
_TRAILER_HASH_BYTES = 32


@dataclass(frozen=True)
class BackupSummary:
    """What a backup holds; `created` is UTC, `versions` as `versions` gives them."""

    folder: Path
    created: str
    files: int
    bytes: int
    versions: dict[str, Any] = field(repr=False)


def target_below(base: Path, name: str) -> Path:
    """Where a backup of this name, a path, goes: below `base`, links followed. Raises InputError if it is not.

    Called by the operator's route. Without this check, somebody with the operator's identity could write to any place
    to which the node can write.
    """
    base = base.resolve()
    try:
        target = (base / name).resolve()
        too_long = any(len(os.fsencode(part)) > _NAME_BYTES for part in target.relative_to(base).parts)
    except (OSError, RuntimeError, ValueError):
        too_long, target = False, base
    if too_long or len(name) > _PATH_LENGTH:
        raise InputError("the name of the backup is too long", hint="a short one, such as 2026-05-01")
    if base not in target.parents:
        raise InputError(
            f"a backup goes below {base}, and nowhere else",
            hint="give a new name there; backup_folder in node.toml says where it is",
        )
    return target


def backup(
    catalogue: Catalogue,
    folder: Path,
    target: Path,
    *,
    extra: Mapping[str, bytes] | None = None,
    clock: Callable[[], float] = time.time,
) -> BackupSummary:
    """Write a consistent copy of catalogue and share files into `target`, new or empty, while the node runs.

    Called by the operator's route. `folder` is the store's; `extra`: further files by name (settings, policy; a
    private key only if the operator asks for it). Costs a read of the catalogue, and of the share files where `target`
    is on another file system. Raises ConfigError if there is something at `target`, StorageError.
    """
    target = target.absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"there is something at {target} already", hint="give a new folder")
    make_folder(target, "the backup")
    attempt = 0
    while True:
        attempt += 1
        try:
            return _backup(catalogue, folder, target, extra or {}, clock())
        except Gone:
            # rows were withdrawn or refreshed while their files were being copied: begin again, with the present rows
            _clear(target)
            if attempt == _ATTEMPTS:
                raise StorageError(
                    "the data changed during every attempt", hint="make the backup at another time"
                ) from None
        except BaseException:
            _clear(target)
            raise


def _backup(catalogue: Catalogue, folder: Path, target: Path, extra: Mapping[str, bytes], now: float) -> BackupSummary:
    with catalogue.read() as connection:
        digest = _dump(connection, target / _CATALOGUE)
        there = referred(connection)
        chunks = {segment.place_name: segment.chunks for segment in segments_there(connection)}
        fit = versions(connection)
    files = _copy_parts(folder / PARTS, target / PARTS, there, chunks)
    for name, data in extra.items():
        make_folder(target / _EXTRA, "the backup")
        write_file(target / _EXTRA / Path(name).name, [data], "the backup")
    manifest = {
        "format": FORMAT,
        "created": now,
        "form": catalogue.form(),
        "catalogue": digest,
        "files": files,
        "extra": {Path(name).name: hashlib.sha256(data).hexdigest() for name, data in extra.items()},
        "versions": fit,
    }
    data = ascii_json(manifest)
    write_file(target / _HASH, [hashlib.sha256(data).hexdigest().encode()], "the backup")
    # written last: a folder without it is not a backup
    write_file(target / _MANIFEST, [data], "the backup")
    sync_folder(target, "the backup")
    return _summary(target, manifest)


def restore(
    source: Path, catalogue: Catalogue, folder: Path, *, clock: Callable[[], float] = time.time
) -> BackupSummary:
    """Check every byte of a backup, and put it into a store and a database without anything, of either kind.

    Called by the operator, with the node stopped. Costs two passes over the share files, and waits for the end of the
    second in which it is done. What was changed at the other nodes since then is not there: compare versions. Raises
    ConfigError if something is there already, IntegrityError for a damaged backup, StorageError.
    """
    manifest = _read_manifest(source)
    parts = folder / PARTS
    if parts.exists() and any(parts.iterdir()):
        raise ConfigError(f"there are share files in {folder} already", hint="restore into an empty folder")
    catalogue.upgrade(to=str(manifest["form"]))
    make_folder(parts, "the store")
    try:
        for name, facts in manifest["files"].items():
            _restore_part(source / PARTS, parts, name, facts)
        for place in {Path(name).parent for name in manifest["files"]}:
            sync_folder(parts / place, "the store")
        sync_folder(parts, "the store")
        with catalogue.write() as connection:
            _load(connection, source / _CATALOGUE, str(manifest["catalogue"]))
            moment = clock()
            catalogue.set_fact(connection, RESTORED, repr(moment))
            catalogue.set_fact(connection, RESTORE_UNTOLD, repr(float(manifest["created"])))
    except BaseException:
        shutil.rmtree(parts, ignore_errors=True)
        raise
    catalogue.upgrade()
    # orders and jobs are dated in whole seconds. All of the present second count as signed before the restore, so the
    # node must not start before the second ends
    time.sleep(math.ceil(moment) - moment)
    return _summary(source, manifest)


def versions(connection: Connection) -> dict[str, Any]:
    """What this node has, to compare with others: datasets (version, manifest, rows), kept arrays (digests)."""
    datasets = {}
    current = {row.name: row.version for row in connection.execute(select(DATASETS.c.name, DATASETS.c.version))}
    for name in names(connection):
        row = version_row(connection, name, current[name])
        assert row is not None
        datasets[name] = {"version": row.version, "manifest": row.manifest, "rows": row.rows}
    kept = connection.execute(arrays_where(KEPT.c.expires.is_(None)))
    return {"datasets": datasets, "kept": {row.handle: json.loads(row.digests) for row in kept}}


# -- rows


def _dump(connection: Connection, path: Path) -> str:
    """All rows as JSON lines; gives their hash."""
    digest = hashlib.sha256()
    with translated("the backup"), open(path, "xb") as file:
        os.fchmod(file.fileno(), 0o600)
        for table in METADATA.sorted_tables:
            rows = connection.execution_options(yield_per=500).execute(select(table))
            for row in rows:
                values = {name: _as_json(value) for name, value in row._mapping.items()}
                line = ascii_json({"table": table.name, "row": values}) + b"\n"
                digest.update(line)
                file.write(line)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _as_json(value: Any) -> Any:
    return {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes | memoryview) else value


def _from_json(value: Any) -> Any:
    return base64.b64decode(value["base64"]) if isinstance(value, dict) else value


def _load(connection: Connection, path: Path, expected: str) -> None:
    """Put the rows of a dump into empty tables, as they were when it was made."""
    if _file_hash(path) != expected:
        raise _damaged(f"{_CATALOGUE} is not what was written")
    tables = MetaData()
    tables.reflect(connection)
    for table in tables.sorted_tables:
        if table.name in METADATA.tables and connection.execute(select(func.count()).select_from(table)).scalar():
            raise ConfigError("there is something in the catalogue already", hint="restore into an empty database")
    with open(path, "rb") as file:
        for line in map(json.loads, file):
            table = tables.tables[line["table"]]
            connection.execute(insert(table).values({name: _from_json(value) for name, value in line["row"].items()}))
    if connection.dialect.name == "postgresql":
        # rows were inserted with their numbers, so the sequence has not advanced
        connection.execute(
            text(
                "SELECT setval(pg_get_serial_sequence('receipts', 'number'), "
                "(SELECT COALESCE(MAX(number), 0) + 1 FROM receipts), false)"
            )
        )


# -- files


def _copy_parts(source: Path, target: Path, there: set[str], chunks: Mapping[str, int]) -> dict[str, Any]:
    """Link or copy all share files of these folders; gives length and trailer hash of each. Raises Gone."""
    files: dict[str, Any] = {}
    make_folder(target, "the backup")
    for place in sorted(there):
        found = _part_names(source / place)
        if len(found) < chunks.get(place, 0):
            raise Gone(f"the files of {place} are gone")
        if not found:
            continue
        make_folder(target / place, "the backup")
        for name in found:
            _link(source / place / name, target / place / name)
            files[f"{place}/{name}"] = _file_facts(target / place / name)
        sync_folder(target / place, "the backup")
    sync_folder(target, "the backup")
    return files


def _part_names(folder: Path) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if name.endswith(SUFFIX))
    except FileNotFoundError:
        return []


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise Gone(f"the file {source.name} is gone") from None
    except OSError:
        # the target is on another file system, or on one without hard links
        _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    with translated("a copy"):
        try:
            shutil.copyfile(source, target)
        except FileNotFoundError:
            raise Gone(f"the file {source.name} is gone") from None
        descriptor = os.open(target, os.O_RDONLY)
        try:
            os.fchmod(descriptor, 0o600)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _file_facts(path: Path) -> dict[str, Any]:
    """The length of a share file and the hash in its trailer, which covers all of it."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - _TRAILER_HASH_BYTES, 0))
        return {"bytes": size, "hash": file.read().hex()}


def _restore_part(source: Path, target: Path, name: str, facts: Mapping[str, Any]) -> None:
    place, _, file = name.partition("/")
    if not file.endswith(SUFFIX) or "/" in file or place in ("", ".", ".."):
        raise _damaged("it has a file of another name")
    make_folder(target / place, "the store")
    try:
        _copy(source / place / file, target / place / file)
    except Gone:
        raise _damaged(f"{name} is missing") from None
    if _file_facts(target / place / file) != facts:
        raise _damaged(f"{name} is not what was written")
    PartFile.open(target / place / file, None, "the backup").verify()


def _damaged(why: str) -> IntegrityError:
    return IntegrityError(f"the backup is damaged: {why}", hint="use another backup")


def _file_hash(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _damaged(f"{path.name}: {error.strerror}") from None


def _read_manifest(source: Path) -> dict[str, Any]:
    try:
        data = (source / _MANIFEST).read_bytes()
        expected = (source / _HASH).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source} is no backup: {error}") from None
    if hashlib.sha256(data).hexdigest() != expected:
        raise _damaged(f"{_MANIFEST} is not what was written")
    manifest: dict[str, Any] = json.loads(data)
    if manifest.get("format") != FORMAT:
        raise ConfigError(f"a backup of format {manifest.get('format')}, this version of tercet knows {FORMAT}")
    return manifest


def _summary(folder: Path, manifest: Mapping[str, Any]) -> BackupSummary:
    size = sum(facts["bytes"] for facts in manifest["files"].values())
    return BackupSummary(
        folder, utc_time(float(manifest["created"])), len(manifest["files"]), size, dict(manifest["versions"])
    )


def _clear(target: Path) -> None:
    for entry in target.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
