-- What the world is told, whom we tell, and what came of it.

CREATE TABLE event (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,  -- never reused: cursors of readers stay true
    id          TEXT NOT NULL UNIQUE,
    session_id  TEXT,
    user_id     TEXT,
    session_seq INTEGER,
    launch      INTEGER,
    type        TEXT NOT NULL,
    class       TEXT NOT NULL,
    occurred_at REAL NOT NULL,
    expires_at  REAL,
    data        TEXT NOT NULL                       -- JSON object
) STRICT;
CREATE INDEX event_of_session ON event (session_id, seq);

CREATE TABLE endpoint (
    endpoint_id     TEXT PRIMARY KEY,
    url             TEXT NOT NULL,
    secret          TEXT NOT NULL,
    previous_secret TEXT,
    rotated_at      REAL,
    events          TEXT NOT NULL,                  -- JSON array of patterns
    sessions        TEXT NOT NULL,                  -- JSON array of patterns
    is_active       INTEGER NOT NULL,
    disabled_reason TEXT,
    created_at      REAL NOT NULL,
    updated_at      REAL NOT NULL
) STRICT;

-- A stream is (endpoint_id, lane, session_id); session_id is '' for events of the daemon itself.
CREATE TABLE delivery (
    event_seq      INTEGER NOT NULL REFERENCES event ON DELETE CASCADE,
    endpoint_id    TEXT NOT NULL REFERENCES endpoint ON DELETE CASCADE,
    lane           TEXT NOT NULL,
    session_id     TEXT NOT NULL,
    class          TEXT NOT NULL,
    size_bytes     INTEGER NOT NULL,
    state          TEXT NOT NULL,
    next_at        REAL NOT NULL DEFAULT 0,         -- wall time; 0 is at once, whatever the clock says
    attempts       INTEGER NOT NULL DEFAULT 0,
    rejected_count INTEGER NOT NULL DEFAULT 0,
    errored_count  INTEGER NOT NULL DEFAULT 0,
    first_tried_at REAL,
    last_tried_at  REAL,
    last_status    INTEGER,
    last_error     TEXT,
    settled_at     REAL,                            -- when it became delivered or dead
    PRIMARY KEY (event_seq, endpoint_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_pending ON delivery (endpoint_id, lane, session_id, event_seq, next_at)
WHERE state = 'pending';
CREATE INDEX delivery_passing ON delivery (event_seq) WHERE state = 'pending' AND class = 'passing';
CREATE INDEX delivery_dead ON delivery (settled_at) WHERE state = 'dead';

-- How much is undelivered, kept by triggers so that asking costs one row.
CREATE TABLE backlog (
    only       INTEGER PRIMARY KEY CHECK (only = 1),
    row_count  INTEGER NOT NULL,
    byte_count INTEGER NOT NULL
) STRICT;
INSERT INTO backlog VALUES (1, 0, 0);

CREATE TRIGGER delivery_added AFTER INSERT ON delivery WHEN new.state = 'pending' BEGIN
    UPDATE backlog SET row_count = row_count + 1, byte_count = byte_count + new.size_bytes;
END;
CREATE TRIGGER delivery_settled AFTER UPDATE OF state ON delivery
WHEN old.state = 'pending' AND new.state <> 'pending' BEGIN
    UPDATE backlog SET row_count = row_count - 1, byte_count = byte_count - old.size_bytes;
END;
CREATE TRIGGER delivery_replayed AFTER UPDATE OF state ON delivery
WHEN old.state <> 'pending' AND new.state = 'pending' BEGIN
    UPDATE backlog SET row_count = row_count + 1, byte_count = byte_count + new.size_bytes;
END;
CREATE TRIGGER delivery_removed AFTER DELETE ON delivery WHEN old.state = 'pending' BEGIN
    UPDATE backlog SET row_count = row_count - 1, byte_count = byte_count - old.size_bytes;
END;

-- Events the engines posted that are already ours: an engine repeats what it believes unanswered.
CREATE TABLE engine_event (
    session_id      TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    seen_at         REAL NOT NULL,
    PRIMARY KEY (session_id, idempotency_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX engine_event_seen ON engine_event (seen_at);
