-- Version 1: what metric has received, in the order in which it was recorded, and what became of it.
--
-- Nothing is ever changed but the accounts: messages, rows and expiries are appended, and trimmed at their old end.
-- An id is the 16 bytes of a UUID in its usual spelling, else text. `value` has no REAL affinity, because SQLite
-- would store a -0.0 as an integer. Times are milliseconds since 1970.

CREATE TABLE event (
    seq      INTEGER PRIMARY KEY,
    received INTEGER NOT NULL,
    age      INTEGER NOT NULL, -- milliseconds that metric had worked on this database: never runs back
    source   INTEGER NOT NULL, -- 0: a label; else the number of the model that predicted
    id       ANY,              -- none: it was anonymous
    value    ANY NOT NULL,
    at       INTEGER NOT NULL, -- published, or else received
    met      INTEGER NOT NULL  -- 1: it met its other half when it came
) STRICT;

-- The events with an id, by their id, but for the latest ones: up to state.known.
CREATE TABLE known (
    id     ANY NOT NULL,
    seq    INTEGER NOT NULL,
    source INTEGER NOT NULL,
    value  ANY NOT NULL,
    at     INTEGER NOT NULL,
    met    INTEGER NOT NULL,
    PRIMARY KEY (id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE scoring (
    seq          INTEGER PRIMARY KEY,
    age          INTEGER NOT NULL,
    id           ANY NOT NULL,
    y_true       ANY NOT NULL,
    y_pred       ANY NOT NULL,
    source       INTEGER NOT NULL,
    predicted_at INTEGER NOT NULL,
    labelled_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE expiry (
    seq        INTEGER PRIMARY KEY, -- the event's
    expired_at INTEGER NOT NULL
) STRICT;

CREATE TABLE source (
    number     INTEGER PRIMARY KEY, -- 0: the labels; from 1 on, the models
    name       TEXT,
    version    TEXT,
    received   INTEGER NOT NULL,
    scored     INTEGER NOT NULL,
    expired    INTEGER NOT NULL,
    late       INTEGER NOT NULL,
    duplicates INTEGER NOT NULL,
    conflicts  INTEGER NOT NULL,
    crowded    INTEGER NOT NULL,
    anonymous  INTEGER NOT NULL,
    scores     TEXT NOT NULL -- sums of residuals, as JSON
) STRICT;
INSERT INTO source VALUES (0, NULL, NULL, 0, 0, 0, 0, 0, 0, 0, 0, '{}');

CREATE TABLE state (
    only                 INTEGER PRIMARY KEY CHECK (only = 1),
    last_event           INTEGER NOT NULL,
    last_scoring         INTEGER NOT NULL,
    first_event          INTEGER NOT NULL, -- the oldest that is kept
    first_scoring        INTEGER NOT NULL,
    horizon_over         INTEGER NOT NULL, -- of all events up to this one
    known                INTEGER NOT NULL, -- events up to this one are in the table known
    age                  INTEGER NOT NULL,
    rejected_labels      INTEGER NOT NULL,
    rejected_predictions INTEGER NOT NULL
) STRICT;
INSERT INTO state VALUES (1, 0, 0, 1, 1, 0, 0, 0, 0, 0);

CREATE TABLE file (
    name          TEXT PRIMARY KEY,
    first         INTEGER NOT NULL, -- the event or scoring that its first line shows
    synced        INTEGER NOT NULL, -- the last one that is certainly on disk,
    synced_length INTEGER NOT NULL, -- and the file's length with it, in bytes
    fingerprint   TEXT              -- size and modification time that a clean stop left behind
) STRICT;
