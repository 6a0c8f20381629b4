-- Who did what. Rows are only ever added at the end and, by age, removed at the beginning; `hash` covers the row and the
-- hash of the one before it.
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    actor TEXT NOT NULL,
    key_id TEXT,
    action TEXT NOT NULL,
    session_id TEXT,
    target TEXT,
    address TEXT,
    request_id TEXT,
    result TEXT NOT NULL,
    detail TEXT NOT NULL,               -- JSON object
    hash BLOB NOT NULL
) STRICT;
CREATE INDEX audit_by_session ON audit (session_id, seq);

-- One row: the last row that was removed by age, from which the first one that is left goes on, and the newest one.
CREATE TABLE audit_chain (
    is_only INTEGER PRIMARY KEY CHECK (is_only = 1),
    base_seq INTEGER NOT NULL,
    base_hash BLOB NOT NULL,
    head_seq INTEGER NOT NULL,
    head_hash BLOB NOT NULL
) STRICT;
INSERT INTO audit_chain VALUES (1, 0, zeroblob(32), 0, zeroblob(32));
