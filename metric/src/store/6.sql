-- Version 6: what each row was predicted from, and the numbers of commits.

-- The prediction that a row was scored with: the number of its message. None in rows of before.
ALTER TABLE scoring ADD COLUMN prediction INTEGER;

-- What was predicted from, a blob for each run of predictions of a commit whose numbers follow each other and whose vectors have
-- the same width. Of prediction p it is substr(data, 1 + (p - first) * 8 * width, 8 * width).
CREATE TABLE feature (
    first    INTEGER PRIMARY KEY, -- the number of its first prediction
    width    INTEGER NOT NULL,    -- how many numbers a vector has
    checksum INTEGER NOT NULL,    -- CRC-32 of all that is in this row
    data     BLOB NOT NULL        -- 64-bit floats, little-endian
) STRICT;

-- The commit in which it expired, and its age. 0 in rows of before.
ALTER TABLE expiry ADD COLUMN number INTEGER NOT NULL DEFAULT 0;
ALTER TABLE expiry ADD COLUMN age INTEGER NOT NULL DEFAULT 0;

-- Commits that accepted messages or expired something have numbers without a gap, which blocks of the journal and expiries say.
-- Blocks of before do not say theirs: they are counted, in their order.
ALTER TABLE state ADD COLUMN commits INTEGER NOT NULL DEFAULT 0;          -- the last number
ALTER TABLE state ADD COLUMN first_commit INTEGER NOT NULL DEFAULT 1;     -- from this one on, no block with a number and no expiry was forgotten
ALTER TABLE state ADD COLUMN forgotten_scoring INTEGER;                   -- the last_scoring of the last block that was forgotten; none if nobody knows
ALTER TABLE state ADD COLUMN unnumbered INTEGER NOT NULL DEFAULT 0;       -- the blocks of this many commits do not say their numbers,
ALTER TABLE state ADD COLUMN unnumbered_event INTEGER NOT NULL DEFAULT 0; -- which are those with the messages up to this one
UPDATE state SET
    commits = (SELECT count(*) FROM journal),
    unnumbered = (SELECT count(*) FROM journal),
    unnumbered_event = last_event,
    forgotten_scoring = CASE first_event WHEN 1 THEN 0 END;

CREATE VIEW features AS SELECT
    scoring.seq,
    CASE typeof(id) WHEN 'blob' THEN lower(
        substr(hex(id), 1, 8) || '-' || substr(hex(id), 9, 4) || '-' || substr(hex(id), 13, 4) || '-' ||
        substr(hex(id), 17, 4) || '-' || substr(hex(id), 21)) ELSE id END AS id,
    coalesce(name, '') AS model,
    coalesce(version, '') AS model_version,
    prediction,
    width,
    substr(data, 1 + (prediction - first) * 8 * width, 8 * width) AS vector
FROM scoring JOIN source ON source.number = scoring.source
    JOIN feature ON first = (SELECT max(first) FROM feature WHERE first <= prediction)
WHERE prediction < first + length(data) / (8 * width);
