-- Version 3: what a running metric knows beside the messages, for `metric status`, which may be asked when it has ended.

-- What is wrong now, as far as metric knows. A row goes when it is over.
CREATE TABLE finding (
    kind    TEXT NOT NULL,    -- unread: a queue that nobody consumes; left_alone: a file that another program writes too
    subject TEXT NOT NULL,    -- the queue, or the file
    count   INTEGER NOT NULL, -- messages that wait in the queue, or seconds for which nobody must touch the file
    since   INTEGER NOT NULL, -- milliseconds since 1970
    seen    INTEGER NOT NULL, -- when it was so last
    PRIMARY KEY (kind, subject)
) STRICT, WITHOUT ROWID;

-- What the queues were called at the last start on a broker.
CREATE TABLE queue (
    role TEXT PRIMARY KEY, -- Features, y_true or y_predict, whatever the queue is called
    name TEXT NOT NULL
) STRICT;
