-- Links by which one session is paired without a key. Of token and browser only the SHA-256 is kept.
CREATE TABLE pairing_link (
    link_id TEXT PRIMARY KEY,
    token_sha256 BLOB NOT NULL UNIQUE,
    browser_sha256 BLOB,                -- NULL until a browser has pressed the button
    session_id TEXT NOT NULL,
    phone_number TEXT,                  -- NULL: any number may be linked
    code_count INTEGER NOT NULL DEFAULT 0,
    created_at REAL NOT NULL,
    created_by TEXT NOT NULL,
    key_id TEXT,                        -- NULL: made without a key
    expires_at REAL NOT NULL,
    ended_at REAL
) STRICT;
CREATE INDEX pairing_link_by_session ON pairing_link (session_id);

-- Of the sessions themselves: no other number may be linked, until that one is or somebody starts the session.
ALTER TABLE session ADD COLUMN wanted_number TEXT;
