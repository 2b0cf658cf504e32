from __future__ import annotations

SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE records (
    row INTEGER PRIMARY KEY, site TEXT NOT NULL, boot INTEGER NOT NULL, seq INTEGER NOT NULL,
    class TEXT NOT NULL, key TEXT NOT NULL, utc_ns INTEGER NOT NULL, received_utc_ns INTEGER NOT NULL,
    digest BLOB NOT NULL, body BLOB NOT NULL
);
CREATE UNIQUE INDEX records_id ON records (site, boot, seq);
CREATE INDEX records_class ON records (class, row);
CREATE INDEX records_age ON records (received_utc_ns);
CREATE INDEX records_summary ON records (class, site, utc_ns);
CREATE TABLE totals (
    site TEXT NOT NULL, class TEXT NOT NULL, records INTEGER NOT NULL, PRIMARY KEY (site, class)
) WITHOUT ROWID;
CREATE TABLE events (
    site TEXT NOT NULL, event_id TEXT NOT NULL, revision INTEGER NOT NULL, state TEXT NOT NULL,
    kind TEXT NOT NULL, severity INTEGER NOT NULL, opened_utc_ns INTEGER NOT NULL,
    closed_utc_ns INTEGER, received_utc_ns INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (site, event_id)
) WITHOUT ROWID;
CREATE INDEX events_opened ON events (opened_utc_ns, site, event_id);
CREATE TABLE traces (
    trace_id TEXT NOT NULL, row INTEGER NOT NULL, PRIMARY KEY (trace_id, row)
) WITHOUT ROWID;
CREATE INDEX traces_row ON traces (row);
CREATE TABLE devices (
    site TEXT NOT NULL, device_id TEXT NOT NULL, boot INTEGER NOT NULL, seq INTEGER NOT NULL,
    utc_ns INTEGER NOT NULL, received_utc_ns INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (site, device_id)
) WITHOUT ROWID;
CREATE TABLE sites (
    site TEXT PRIMARY KEY, boot INTEGER NOT NULL, seq INTEGER NOT NULL, heard_utc_ns INTEGER NOT NULL,
    body BLOB
) WITHOUT ROWID;
PRAGMA user_version = 1;
"""
