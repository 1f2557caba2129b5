-- Version 8: what models say of themselves.

-- The latest card of each model and version.
CREATE TABLE card (
    number    INTEGER PRIMARY KEY,
    model     TEXT NOT NULL,
    version   TEXT NOT NULL,
    received  INTEGER NOT NULL, -- when a card of it came first, in milliseconds since 1970
    published INTEGER,          -- when what is kept was published, if its sender said
    seen      INTEGER NOT NULL, -- when one came last
    bytes     INTEGER NOT NULL, -- how long the JSON is
    data      TEXT NOT NULL,    -- JSON
    UNIQUE (model, version)
) STRICT;

-- Model files that were refused.
CREATE TABLE refusal (
    number    INTEGER PRIMARY KEY,
    model     TEXT NOT NULL,
    at        INTEGER NOT NULL, -- when it was refused
    received  INTEGER NOT NULL,
    published INTEGER,
    seen      INTEGER NOT NULL,
    data      TEXT NOT NULL
) STRICT;
