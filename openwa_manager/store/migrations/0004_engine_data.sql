-- Which files a launch's engine works on, so that the next daemon notices when they were lost meanwhile.

ALTER TABLE launch ADD COLUMN data TEXT;  -- JSON object, NULL while it was not looked at
