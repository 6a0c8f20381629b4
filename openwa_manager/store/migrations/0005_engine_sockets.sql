-- Where the engine listens: the bytes of the socket's path, as the system has them. NULL is a launch on a port, such as
-- every one by version 0.2 or earlier.
ALTER TABLE launch ADD COLUMN socket BLOB;
