-- Who may use the HTTP API.

CREATE TABLE api_key (
    key_id      TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    secret_hash TEXT NOT NULL,          -- SHA-256 of a high-entropy secret, in hex
    role        TEXT NOT NULL,
    sessions    TEXT NOT NULL,          -- JSON array of patterns
    qr          INTEGER NOT NULL,
    created_at  REAL NOT NULL,
    expires_at  REAL
) STRICT;
