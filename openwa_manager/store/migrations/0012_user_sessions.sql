-- Which sessions a user has ever had. What is kept of a user outlasts his sessions, and so does whose it is: nobody
-- gets at it by making a session of that user once the others are gone.
CREATE TABLE user_session (
    user_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    PRIMARY KEY (user_id, session_id)
) STRICT, WITHOUT ROWID;

INSERT INTO user_session (user_id, session_id)
    SELECT user_id, session_id FROM session WHERE user_id IS NOT NULL
    UNION SELECT user_id, session_id FROM message WHERE user_id IS NOT NULL
    UNION SELECT user_id, session_id FROM batch WHERE user_id IS NOT NULL
    UNION SELECT user_id, session_id FROM event WHERE user_id IS NOT NULL AND session_id IS NOT NULL;

CREATE TRIGGER session_of_user AFTER INSERT ON session WHEN new.user_id IS NOT NULL BEGIN
    INSERT OR IGNORE INTO user_session (user_id, session_id) VALUES (new.user_id, new.session_id);
END;
