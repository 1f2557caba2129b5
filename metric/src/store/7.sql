-- Version 7: text files that are closed by the day.

-- The day of the file's lines, counted from 1970-01-01; none where it has none, or is not closed by the day.
ALTER TABLE file ADD COLUMN day INTEGER;
-- The name that the file before this one gets, until it certainly has it. What is in `file` is about this one already.
ALTER TABLE file ADD COLUMN closing TEXT;

-- The files of days that are over. Nobody writes to them any more, whatever becomes of them.
CREATE TABLE closed (
    log    TEXT NOT NULL,    -- as `file.name`
    first  INTEGER NOT NULL, -- the event or scoring that its first line shows
    last   INTEGER NOT NULL,
    length INTEGER NOT NULL, -- in bytes
    name   TEXT NOT NULL,
    PRIMARY KEY (log, first)
) STRICT, WITHOUT ROWID;
