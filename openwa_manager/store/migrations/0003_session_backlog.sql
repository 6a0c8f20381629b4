-- How much of the backlog is each session's, kept by triggers as the whole is; a session with none has no row.

CREATE TABLE session_backlog (
    session_id TEXT NOT NULL PRIMARY KEY,           -- '' for events of the daemon itself
    row_count  INTEGER NOT NULL,
    byte_count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO session_backlog
SELECT session_id, count(*), sum(size_bytes) FROM delivery WHERE state = 'pending' GROUP BY session_id;

CREATE TRIGGER delivery_added_to_session AFTER INSERT ON delivery WHEN new.state = 'pending' BEGIN
    INSERT INTO session_backlog VALUES (new.session_id, 1, new.size_bytes)
    ON CONFLICT (session_id) DO UPDATE SET row_count = row_count + 1, byte_count = byte_count + excluded.byte_count;
END;
CREATE TRIGGER delivery_settled_of_session AFTER UPDATE OF state ON delivery
WHEN old.state = 'pending' AND new.state <> 'pending' BEGIN
    UPDATE session_backlog SET row_count = row_count - 1, byte_count = byte_count - old.size_bytes
    WHERE session_id = old.session_id;
    DELETE FROM session_backlog WHERE session_id = old.session_id AND row_count <= 0;
END;
CREATE TRIGGER delivery_replayed_of_session AFTER UPDATE OF state ON delivery
WHEN old.state <> 'pending' AND new.state = 'pending' BEGIN
    INSERT INTO session_backlog VALUES (new.session_id, 1, new.size_bytes)
    ON CONFLICT (session_id) DO UPDATE SET row_count = row_count + 1, byte_count = byte_count + excluded.byte_count;
END;
CREATE TRIGGER delivery_removed_of_session AFTER DELETE ON delivery WHEN old.state = 'pending' BEGIN
    UPDATE session_backlog SET row_count = row_count - 1, byte_count = byte_count - old.size_bytes
    WHERE session_id = old.session_id;
    DELETE FROM session_backlog WHERE session_id = old.session_id AND row_count <= 0;
END;
