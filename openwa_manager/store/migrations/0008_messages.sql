-- The messages: one durable queue per session. `seq` is the order of arrival.
-- `user_key` is whose quota and opt-outs count. `body` is JSON, NULL once it is of no use. `due_at` 0: ready; else the
-- message sleeps until then. `quota_month` NULL: no quota counts it.
CREATE TABLE message (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id TEXT NOT NULL UNIQUE,
    session_id TEXT NOT NULL,
    user_id TEXT,
    user_key TEXT NOT NULL,
    batch_id TEXT NOT NULL DEFAULT '',
    reference TEXT,
    route TEXT NOT NULL,
    priority INTEGER NOT NULL,
    replaces TEXT,
    recipient TEXT NOT NULL,
    chat_id TEXT NOT NULL,
    is_first_contact INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT,
    body_sha256 TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    status TEXT NOT NULL,
    due_at REAL NOT NULL DEFAULT 0,
    hold_code TEXT,
    hold_detail TEXT,
    hold_until REAL,
    error_code TEXT,
    error_detail TEXT,
    whatsapp_message_id TEXT,
    ack_overdue INTEGER NOT NULL DEFAULT 0,
    quota_month TEXT,
    attempt_count INTEGER NOT NULL DEFAULT 0,
    created_at REAL NOT NULL,
    send_after REAL,
    expires_at REAL NOT NULL,
    sent_at REAL,
    acked_at REAL,
    delivered_at REAL,
    read_at REAL,
    replied_at REAL,
    ended_at REAL
);

-- The heads of the sub-queues, what sleeps, what waits for a chat, and what expires.
CREATE INDEX message_ready ON message (session_id, batch_id, is_first_contact, priority, seq)
    WHERE status = 'queued' AND due_at = 0;
CREATE INDEX message_asleep ON message (session_id, due_at) WHERE status = 'queued' AND due_at > 0;
CREATE INDEX message_waiting_for ON message (session_id, chat_id, is_first_contact) WHERE status = 'queued';
CREATE INDEX message_expiring ON message (session_id, expires_at) WHERE status = 'queued';
CREATE INDEX message_in_flight ON message (session_id) WHERE status = 'sending';
CREATE INDEX message_unproven ON message (session_id, ended_at) WHERE status = 'unknown';
CREATE INDEX message_unacknowledged ON message (session_id, sent_at)
    WHERE status = 'sent' AND acked_at IS NULL AND ack_overdue = 0;
CREATE INDEX message_by_session ON message (session_id, seq);
CREATE INDEX message_by_chat ON message (session_id, chat_id, seq);
CREATE INDEX message_by_batch ON message (batch_id, seq) WHERE batch_id <> '';
CREATE INDEX message_by_reference ON message (session_id, reference) WHERE reference IS NOT NULL;
CREATE INDEX message_replacing ON message (replaces) WHERE replaces IS NOT NULL;
CREATE INDEX message_by_whatsapp_id ON message (session_id, whatsapp_message_id)
    WHERE whatsapp_message_id IS NOT NULL;
CREATE INDEX message_with_body ON message (ended_at) WHERE ended_at IS NOT NULL AND body IS NOT NULL;
CREATE INDEX message_ended ON message (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX message_of_late ON message (session_id, ended_at) WHERE ended_at IS NOT NULL;

-- How many messages are in which state, kept by the triggers below: no count is ever made by reading messages.
CREATE TABLE message_tally (
    session_id TEXT NOT NULL,
    batch_id TEXT NOT NULL,
    status TEXT NOT NULL,
    is_first_contact INTEGER NOT NULL,
    message_count INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    PRIMARY KEY (session_id, batch_id, status, is_first_contact)
) WITHOUT ROWID;
CREATE INDEX message_tally_waiting ON message_tally (session_id, batch_id, is_first_contact, message_count, size_bytes)
    WHERE status = 'queued' AND message_count > 0;
CREATE INDEX message_tally_by_batch ON message_tally (batch_id) WHERE batch_id <> '';

CREATE TRIGGER message_added AFTER INSERT ON message BEGIN
    INSERT INTO message_tally VALUES (NEW.session_id, NEW.batch_id, NEW.status, NEW.is_first_contact, 1, NEW.size_bytes)
        ON CONFLICT DO UPDATE SET message_count = message_count + 1, size_bytes = size_bytes + NEW.size_bytes;
END;
CREATE TRIGGER message_changed AFTER UPDATE OF status, is_first_contact, size_bytes ON message BEGIN
    UPDATE message_tally SET message_count = message_count - 1, size_bytes = size_bytes - OLD.size_bytes
        WHERE session_id = OLD.session_id AND batch_id = OLD.batch_id AND status = OLD.status
            AND is_first_contact = OLD.is_first_contact;
    INSERT INTO message_tally VALUES (NEW.session_id, NEW.batch_id, NEW.status, NEW.is_first_contact, 1, NEW.size_bytes)
        ON CONFLICT DO UPDATE SET message_count = message_count + 1, size_bytes = size_bytes + NEW.size_bytes;
END;
CREATE TRIGGER message_removed AFTER DELETE ON message BEGIN
    UPDATE message_tally SET message_count = message_count - 1, size_bytes = size_bytes - OLD.size_bytes
        WHERE session_id = OLD.session_id AND batch_id = OLD.batch_id AND status = OLD.status
            AND is_first_contact = OLD.is_first_contact;
END;

-- How many messages have been sent, or ended otherwise, by the way they came in; what is forgotten still counts.
CREATE TABLE message_total (
    route TEXT NOT NULL,
    outcome TEXT NOT NULL,
    message_count INTEGER NOT NULL,
    PRIMARY KEY (route, outcome)
) WITHOUT ROWID;
CREATE TRIGGER message_proven AFTER UPDATE OF sent_at ON message WHEN OLD.sent_at IS NULL AND NEW.sent_at IS NOT NULL
BEGIN
    INSERT INTO message_total VALUES (NEW.route, 'sent', 1) ON CONFLICT DO UPDATE SET message_count = message_count + 1;
END;
CREATE TRIGGER message_over AFTER UPDATE OF status ON message
WHEN NEW.status <> OLD.status AND NEW.status IN ('failed', 'bounced', 'expired', 'unknown', 'cancelled')
BEGIN
    INSERT INTO message_total VALUES (NEW.route, NEW.status, 1)
        ON CONFLICT DO UPDATE SET message_count = message_count + 1;
END;

-- One time a message was asked of an engine; `outcome` NULL: no answer is known.
CREATE TABLE attempt (
    message_seq INTEGER NOT NULL REFERENCES message (seq) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    at REAL NOT NULL,
    ended_at REAL,
    outcome TEXT,
    http_status INTEGER,
    code TEXT,
    next_at REAL,
    engine_version TEXT,
    inner_id TEXT,
    data_id TEXT,
    key TEXT,
    PRIMARY KEY (message_seq, number)
) WITHOUT ROWID;

-- Many messages handed over at once. The rows of one that is `staging` are invisible.
CREATE TABLE batch (
    batch_id TEXT PRIMARY KEY,
    session_id TEXT NOT NULL,
    user_id TEXT,
    user_key TEXT NOT NULL,
    name TEXT,
    route TEXT NOT NULL,
    state TEXT NOT NULL,
    paused_detail TEXT,
    window TEXT,
    send_after REAL,
    expires_at REAL NOT NULL,
    accepted_count INTEGER NOT NULL,
    rejected TEXT NOT NULL,
    quota_month TEXT,
    stops_on_error INTEGER NOT NULL DEFAULT 0,
    gap_min_s REAL NOT NULL DEFAULT 0,
    created_at REAL NOT NULL,
    told_at REAL,
    ended_at REAL
) WITHOUT ROWID;
CREATE INDEX batch_by_session ON batch (session_id, created_at);
CREATE INDEX batch_open ON batch (state) WHERE ended_at IS NULL;

-- What is known of a session's queue beside its messages; a session without a row has never had one.
-- `held_code` is a hold that only a person or a proof ends. `away_since` is when its link was lost, or last known.
-- `send_s` is how long a send takes, measured. `day` is the day for which first contacts are counted.
-- `overdue_count` counts the messages in a row, by their sending, of which no acknowledgement came; `acked_sent_at` is
-- when the last message was sent of which one did. `opt_out_level` of the opt-outs that have come are not forgotten yet.
-- Messages up to `since_seq` are those of a session that had this id before.
CREATE TABLE queue (
    session_id TEXT PRIMARY KEY,
    state TEXT NOT NULL DEFAULT 'active',
    profile TEXT,
    held_code TEXT,
    held_detail TEXT,
    restricted_kind TEXT,
    restricted_until REAL,
    restricted_at REAL,
    overdue_count INTEGER NOT NULL DEFAULT 0,
    acked_sent_at REAL,
    linked_number TEXT,
    linked_at REAL,
    away_since REAL,
    chats_known_at REAL,
    send_s REAL,
    sent_at REAL,
    first_contact_at REAL,
    day TEXT,
    day_first_contacts INTEGER NOT NULL DEFAULT 0,
    opted_out_at REAL,
    opt_out_level REAL NOT NULL DEFAULT 0,
    since_seq INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

-- How much a user may send in a month, and how much of it is taken; a user without a row has no limit.
CREATE TABLE quota (
    user_key TEXT PRIMARY KEY,
    messages_limit INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE quota_month (
    user_key TEXT NOT NULL,
    month TEXT NOT NULL,
    used_count INTEGER NOT NULL DEFAULT 0,
    reserved_count INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (user_key, month)
) WITHOUT ROWID;

-- The chats in which somebody has written through a session: no first contacts any more.
CREATE TABLE contact (
    session_id TEXT NOT NULL,
    chat_id TEXT NOT NULL,
    known_at REAL NOT NULL,
    PRIMARY KEY (session_id, chat_id)
) WITHOUT ROWID;
-- The other names of one person, as engines have told: all rows of one `contact` are the same one.
CREATE TABLE contact_alias (
    user_key TEXT NOT NULL,
    name TEXT NOT NULL,
    contact TEXT NOT NULL,
    PRIMARY KEY (user_key, name)
) WITHOUT ROWID;
CREATE INDEX contact_alias_of ON contact_alias (user_key, contact);
-- Whether a number is on WhatsApp, as an engine said; `chat_id` NULL: it is not.
CREATE TABLE number_check (
    digits TEXT PRIMARY KEY,
    chat_id TEXT,
    checked_at REAL NOT NULL
) WITHOUT ROWID;

-- Whom a user's sessions never write to. `name` NULL: only its hash is kept, the person was erased.
CREATE TABLE suppression (
    user_key TEXT NOT NULL,
    name_sha256 TEXT NOT NULL,
    name TEXT,
    reason TEXT NOT NULL,
    created_at REAL NOT NULL,
    PRIMARY KEY (user_key, name_sha256)
) WITHOUT ROWID;
CREATE INDEX suppression_of_late ON suppression (user_key, created_at, name) WHERE name IS NOT NULL;

-- What was asked for under a key of the caller's; `target` is the message or batch that came of it.
CREATE TABLE idempotency (
    session_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    body_sha256 TEXT NOT NULL,
    target TEXT NOT NULL,
    http_status INTEGER,
    answer BLOB,
    created_at REAL NOT NULL,
    PRIMARY KEY (session_id, scope, key)
) WITHOUT ROWID;
CREATE INDEX idempotency_target ON idempotency (target);

-- Acknowledgements of messages whose ids nobody has told us yet, in the order in which they came; `data` is the event's.
CREATE TABLE early_ack (
    seq INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL,
    whatsapp_message_id TEXT NOT NULL,
    type TEXT NOT NULL,
    data TEXT NOT NULL,
    at REAL NOT NULL,
    user_id TEXT,
    launch INTEGER,
    UNIQUE (session_id, whatsapp_message_id, type)
);

-- How often messages have changed, in which generation of the database, and when last: a copy that is put back is known
-- by it, for `run/generation` beside the database is ahead of it.
CREATE TABLE message_clock (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    generation INTEGER NOT NULL,
    change_count INTEGER NOT NULL,
    noted_at REAL NOT NULL
);
INSERT INTO message_clock VALUES (1, 0, 0, 0);
