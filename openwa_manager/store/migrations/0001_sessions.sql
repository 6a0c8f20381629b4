-- Sessions, their launches and their timeline.

CREATE TABLE session (
    session_id         TEXT PRIMARY KEY,
    user_id            TEXT,
    engine             TEXT NOT NULL,
    labels             TEXT NOT NULL,  -- JSON object
    env                TEXT NOT NULL,  -- JSON object
    proxy_url          TEXT,
    memory_limit_bytes INTEGER,
    engine_key         TEXT NOT NULL,
    inner_id           TEXT,
    desired            TEXT NOT NULL,
    process            TEXT NOT NULL,
    link               TEXT NOT NULL,
    reason             TEXT,           -- JSON object
    launch_id          TEXT,           -- the current one, NULL while there is none
    launch_count       INTEGER NOT NULL,
    ending             TEXT,           -- JSON object
    qr                 TEXT,           -- JSON object; the hash, never the image
    qr_seq             INTEGER NOT NULL,
    qr_attempts        INTEGER NOT NULL,
    pairing_started_at REAL,
    restarts           TEXT NOT NULL,  -- JSON object
    phone_number       TEXT,
    push_name          TEXT,
    event_seq          INTEGER NOT NULL,
    created_at         REAL NOT NULL,
    updated_at         REAL NOT NULL,
    started_at         REAL,
    connected_at       REAL,
    last_connected_at  REAL,
    last_seen_at       REAL
) STRICT;

CREATE TABLE launch (
    launch_id   TEXT PRIMARY KEY,
    session_id  TEXT NOT NULL REFERENCES session ON DELETE CASCADE,
    number      INTEGER NOT NULL,
    port        INTEGER NOT NULL,
    secret      TEXT NOT NULL,
    cause       TEXT NOT NULL,
    launched_at REAL NOT NULL,
    boot_id     TEXT,
    pid         INTEGER,
    started     INTEGER,
    exit_code   INTEGER,
    signal      INTEGER,
    ended_at    REAL
) STRICT;
CREATE INDEX launch_of_session ON launch (session_id, number);

-- `number` counts a session's steps from 1, so that the old ones are found without counting.
CREATE TABLE step (
    session_id TEXT NOT NULL REFERENCES session ON DELETE CASCADE,
    number     INTEGER NOT NULL,
    at         REAL NOT NULL,
    stimulus   TEXT NOT NULL,
    decision   TEXT NOT NULL,
    evidence   TEXT NOT NULL,          -- JSON object
    PRIMARY KEY (session_id, number)
) STRICT, WITHOUT ROWID;
