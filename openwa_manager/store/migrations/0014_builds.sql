-- Builds of OpenWA that the daemon installs, and how sessions are moved from one to another. `openwa_home` names the one
-- that the setting of this name points to.
CREATE TABLE build (
    name TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    source TEXT NOT NULL,
    install_id TEXT NOT NULL,
    created_at REAL NOT NULL,
    version TEXT,
    error TEXT,
    warnings TEXT NOT NULL,
    size_bytes INTEGER,
    installed_at REAL
) STRICT, WITHOUT ROWID;

-- One row: which build sessions run that pin none, and which one it was before (NULL: there was no other).
CREATE TABLE default_build (
    number INTEGER PRIMARY KEY CHECK (number = 1),
    name TEXT NOT NULL,
    former TEXT
) STRICT;
INSERT INTO default_build (number, name) VALUES (1, 'openwa_home');

CREATE TABLE rollout (
    rollout_id TEXT PRIMARY KEY,
    build TEXT NOT NULL,
    former TEXT NOT NULL,
    is_default INTEGER NOT NULL,
    canary_count INTEGER NOT NULL,
    state TEXT NOT NULL,
    detail TEXT,
    created_at REAL NOT NULL,
    ended_at REAL
) STRICT, WITHOUT ROWID;

CREATE TABLE rollout_move (
    rollout_id TEXT NOT NULL REFERENCES rollout (rollout_id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    session_id TEXT NOT NULL,
    state TEXT NOT NULL,
    expected TEXT,
    detail TEXT,
    PRIMARY KEY (rollout_id, number)
) STRICT, WITHOUT ROWID;

-- The build that a session pins (NULL: whichever is the default), and the one that a launch runs (NULL: its engine is
-- no OpenWA, or was launched before there were builds).
ALTER TABLE session ADD COLUMN build TEXT;
ALTER TABLE launch ADD COLUMN build TEXT;
