-- What callers keep at an engine through the gateway, so that it is known while no engine runs.

-- The engine posts to us, at an address with `token` in it, and we post to `url`.
CREATE TABLE user_webhook (
    token        TEXT PRIMARY KEY,
    session_id   TEXT NOT NULL REFERENCES session ON DELETE CASCADE,
    webhook_id   TEXT,              -- the engine's, NULL until it has answered
    url          TEXT NOT NULL,
    secret       TEXT,              -- the user's, NULL: posts are not signed
    relay_secret TEXT,              -- the engine's for posts to us, NULL: it posts to `url` itself, as before this table
    record       TEXT NOT NULL,     -- JSON object, as last shown
    is_deleted   INTEGER NOT NULL   -- while no engine ran: it goes when the next one has come up
) STRICT;
CREATE INDEX user_webhook_of_session ON user_webhook (session_id);

CREATE TABLE engine_copy (
    session_id TEXT NOT NULL REFERENCES session ON DELETE CASCADE,
    name       TEXT NOT NULL,       -- `templates` or `config`
    body       TEXT NOT NULL,       -- JSON, as last answered
    PRIMARY KEY (session_id, name)
) STRICT, WITHOUT ROWID;
