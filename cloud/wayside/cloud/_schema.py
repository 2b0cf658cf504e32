from __future__ import annotations

_RECORDS = """
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
"""
_OPERATIONS = """
ALTER TABLE events ADD COLUMN words TEXT NOT NULL DEFAULT '';
CREATE TABLE deliveries (
    site TEXT NOT NULL, device_id TEXT NOT NULL, message TEXT NOT NULL, boot INTEGER NOT NULL,
    seq INTEGER NOT NULL, utc_ns INTEGER NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (site, device_id, message)
) WITHOUT ROWID;
CREATE TABLE commands (
    row INTEGER PRIMARY KEY AUTOINCREMENT, command_id TEXT NOT NULL UNIQUE, site TEXT NOT NULL,
    kind TEXT NOT NULL, operator TEXT NOT NULL, issued_utc_ns INTEGER NOT NULL,
    valid_until_utc_ns INTEGER NOT NULL, body BLOB NOT NULL, published INTEGER NOT NULL DEFAULT 0,
    fetched_utc_ns INTEGER, state TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '',
    detail TEXT NOT NULL DEFAULT '', result_utc_ns INTEGER
);
CREATE INDEX commands_site ON commands (site, row);
CREATE TABLE audit (
    row INTEGER PRIMARY KEY AUTOINCREMENT, utc_ns INTEGER NOT NULL, operator TEXT NOT NULL,
    address TEXT NOT NULL, action TEXT NOT NULL, site TEXT NOT NULL, detail TEXT NOT NULL
);
"""
# What is counted over time is found by its site, and an open event among many closed ones.
_FINDING = """
DROP INDEX records_summary;
CREATE INDEX records_summary ON records (site, utc_ns) WHERE class = 'summary';
CREATE INDEX events_open ON events (opened_utc_ns, site, event_id) WHERE state = 'open';
"""
# How many of those taken in have left again.
_COUNTING = """
ALTER TABLE totals ADD COLUMN gone INTEGER NOT NULL DEFAULT 0;
UPDATE totals SET gone = records -
    (SELECT count(*) FROM records WHERE records.site = totals.site AND records.class = totals.class);
"""

# What each version of the store adds to the one before; a store of an older version is brought up to date.
STEPS = (_RECORDS, _OPERATIONS, _FINDING, _COUNTING)
# Which edge a site's records come from; made when it is not there, also in a store of before.
INSTANCES = """
CREATE TABLE IF NOT EXISTS instances (
    site TEXT PRIMARY KEY, instance TEXT NOT NULL, bound_utc_ns INTEGER NOT NULL
) WITHOUT ROWID
"""
