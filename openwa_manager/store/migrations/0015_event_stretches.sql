-- When the latest event of each stretch of some thousand happened, so that what happened since a time is found without
-- a look at all events. A stretch begins behind the one before it; the newest events are in none yet.
CREATE TABLE event_stretch (
    last_seq  INTEGER PRIMARY KEY,
    latest_at REAL NOT NULL
) STRICT;
INSERT INTO event_stretch SELECT max(seq), max(occurred_at) FROM event GROUP BY seq / 1000;
