"""The tables as they are today; migrations.py brings older ones here."""

from __future__ import annotations

from sqlalchemy import (
    DOUBLE_PRECISION,
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
)

metadata = MetaData()


def _serial() -> Column[int]:
    """Counts up as rows enter: what is newest is decided by it, never by a clock, which may be set back."""
    return Column("serial", BigInteger, nullable=False, server_default="0")


schema_version = Table("schema_version", metadata, Column("version", Integer, nullable=False))

profiles = Table(
    "profiles",
    metadata,
    Column("id", Text, primary_key=True),
    Column("key", Text, nullable=False, unique=True),  # "name:…" as compared, or "identity:…" hashed
    Column("name", Text, nullable=False),
    Column("created", DOUBLE_PRECISION, nullable=False),
    _serial(),
)


def _owner() -> Column[str]:
    return Column("profile", Text, ForeignKey("profiles.id", ondelete="CASCADE"), primary_key=True)


drafts = Table(
    "drafts",
    metadata,
    _owner(),
    Column("question", Text, primary_key=True),
    Column("field", Text, primary_key=True),
    Column("text", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("changed", DOUBLE_PRECISION, nullable=False),
)

copies = Table(
    "draft_copies",
    metadata,
    _owner(),
    Column("id", Text, primary_key=True),
    Column("question", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("changed", DOUBLE_PRECISION, nullable=False),
    _serial(),
)

attempts = Table(
    "attempts",
    metadata,
    _owner(),
    Column("id", Text, primary_key=True),
    Column("question", Text, nullable=False),
    Column("started", DOUBLE_PRECISION, nullable=False),
    Column("changed", DOUBLE_PRECISION, nullable=False),
    Column("finished", DOUBLE_PRECISION),
    Column("text", Text, nullable=False),
    Column("predictions", JSON, nullable=False),
    Column("measurements", JSON, nullable=False),
    Column("ticks", JSON, nullable=False),
    Column("help_used", JSON, nullable=False),
    Column("seconds", DOUBLE_PRECISION, nullable=False),
    Column("tier", Integer),
    _serial(),
)

interviews = Table(
    "interviews",
    metadata,
    _owner(),
    Column("id", Text, primary_key=True),
    Column("candidate", Text, nullable=False),
    Column("minutes", Integer, nullable=False),
    Column("questions", JSON, nullable=False),
    Column("started", DOUBLE_PRECISION, nullable=False),
    Column("finished", DOUBLE_PRECISION),
    Column("link", Text, unique=True),  # opens the candidate's window; none after an import
    Column("expires", DOUBLE_PRECISION, nullable=False),
    _serial(),
    Column("console_link", Text),  # opens the console on another device, once there is one
    Column("console_expires", DOUBLE_PRECISION, nullable=False, server_default="0"),
)

interview_events = Table(
    "interview_events",
    metadata,
    Column("profile", Text, primary_key=True),
    Column("interview", Text, primary_key=True),
    Column("serial", BigInteger, primary_key=True),
    Column("moment", DOUBLE_PRECISION, nullable=False),
    Column("kind", Text, nullable=False),
    Column("question", Text, nullable=False),
    Column("data", JSON, nullable=False),
    ForeignKeyConstraint(
        ["profile", "interview"], ["interviews.profile", "interviews.id"], ondelete="CASCADE"
    ),
)

panel_members = Table(
    "panel_members",
    metadata,
    Column("profile", Text, primary_key=True),
    Column("interview", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("ticks", JSON, nullable=False),
    Column("handed", DOUBLE_PRECISION),
    Column("link", Text, unique=True),  # opens the member's page; none after an import
    Column("expires", DOUBLE_PRECISION, nullable=False),
    _serial(),
    ForeignKeyConstraint(
        ["profile", "interview"], ["interviews.profile", "interviews.id"], ondelete="CASCADE"
    ),
)

Index("interviews_by_console", interviews.c.console_link, unique=True)
Index("attempts_by_question", attempts.c.profile, attempts.c.question, attempts.c.serial)
Index("copies_by_draft", copies.c.profile, copies.c.question, copies.c.field)
