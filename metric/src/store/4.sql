-- Version 4: the tables of version 5 beside those that they replace. What is in these is packed into them stride by stride;
-- a start that is cut off meanwhile goes on from the mark.

-- The messages that were accepted, a block for each commit. What it is made of: `store/block.rs`.
CREATE TABLE journal (
    first         INTEGER PRIMARY KEY, -- the number of its first message; the others follow without a gap
    count         INTEGER NOT NULL,
    received      INTEGER NOT NULL,
    age           INTEGER NOT NULL, -- milliseconds that metric had worked on this database: never runs back
    last_scoring  INTEGER NOT NULL, -- the last row that was scored when it was committed
    predicted_min INTEGER,          -- the least time of prediction of the rows after the block before's last_scoring up to this; none if none
    predicted_max INTEGER,
    checksum      INTEGER NOT NULL, -- CRC-32 of all that is in this row
    data          BLOB NOT NULL
) STRICT;
CREATE INDEX journal_scoring ON journal (last_scoring);

-- Becomes `known`: the halves of each row by its id, but for the latest messages: up to state.known.
CREATE TABLE entry (
    id   ANY NOT NULL PRIMARY KEY,
    data BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Becomes `expiry`: the halves that have waited in vain.
CREATE TABLE lapse (
    seq        INTEGER PRIMARY KEY, -- the message's
    id         ANY NOT NULL,
    source     INTEGER NOT NULL,
    value      ANY NOT NULL,
    received   INTEGER NOT NULL,
    expired_at INTEGER NOT NULL
) STRICT;

CREATE TABLE packing (
    only         INTEGER PRIMARY KEY CHECK (only = 1),
    event        INTEGER NOT NULL, -- messages up to this one are in `journal`, and their expiries in `lapse`
    last_scoring INTEGER NOT NULL,
    id           ANY NOT NULL      -- rows up to this id are in `entry`
) STRICT;
INSERT INTO packing SELECT 1, first_event - 1, first_scoring - 1, '' FROM state;
