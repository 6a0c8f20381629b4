-- Whether a number is on WhatsApp is remembered for the session that asked: when another one asked is nobody's business,
-- for it tells to whom that one writes. What was remembered for all is asked again.
DROP TABLE number_check;
CREATE TABLE number_check (
    session_id TEXT NOT NULL,
    digits TEXT NOT NULL,
    chat_id TEXT,
    checked_at REAL NOT NULL,
    PRIMARY KEY (session_id, digits)
) STRICT, WITHOUT ROWID;
