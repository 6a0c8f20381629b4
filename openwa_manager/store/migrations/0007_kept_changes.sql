-- What callers change while no engine runs, until the next one has been told.

ALTER TABLE user_webhook ADD COLUMN pending TEXT;   -- JSON object, the fields to be told; NULL: none
ALTER TABLE engine_copy ADD COLUMN pending TEXT;    -- JSON object, the changes to be told; NULL: none
