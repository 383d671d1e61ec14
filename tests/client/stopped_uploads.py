"""Uploads that are stopped on their way."""

from __future__ import annotations

from typing import Any

from tercet.client.upload import UploadProgress


class Broken(Exception):
    """What stops an upload in these tests."""


def breaking(after: int) -> Any:
    seen: list[UploadProgress] = []

    def progress(one: UploadProgress) -> None:
        seen.append(one)
        if len(seen) == after:
            raise Broken

    return progress
