-- Who may do what. A key is shown once; of its secret only the SHA-256 is kept.
CREATE TABLE api_key (
    key_id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    sessions TEXT NOT NULL,             -- JSON list of patterns
    has_qr INTEGER NOT NULL,
    has_chats INTEGER NOT NULL,
    allowed_ips TEXT NOT NULL,          -- JSON list of networks; empty: from anywhere
    rate_per_s REAL,                    -- NULL: the setting
    rate_burst REAL,
    secret_sha256 BLOB NOT NULL,
    previous_sha256 BLOB,               -- the key before the last rotation, as long as it still holds
    previous_until REAL,
    is_disabled INTEGER NOT NULL,
    expires_at REAL,
    created_at REAL NOT NULL,
    created_by TEXT NOT NULL,
    last_used_at REAL
) STRICT;
