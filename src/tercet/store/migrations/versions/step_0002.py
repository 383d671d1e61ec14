"""Checked chunks name the protocol of their check; those from before are of the first."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("checks", sa.Column("protocol", sa.Integer(), nullable=False, server_default="1"))
