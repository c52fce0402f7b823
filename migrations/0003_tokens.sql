-- The access tokens of clients: everything but the tokens themselves.
CREATE TABLE tokens (
    -- AUTOINCREMENT: no number is ever given twice, also after the token was removed.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- SHA-256 of the whole token.
    hash BLOB NOT NULL UNIQUE,
    -- How the token begins, to recognize it by.
    hint TEXT NOT NULL,
    -- The patterns it may publish to and subscribe to: arrays of JSON.
    publish TEXT NOT NULL,
    subscribe TEXT NOT NULL,
    -- Milliseconds since 1970-01-01T00:00:00Z, like the next two.
    created INTEGER NOT NULL,
    -- NULL: it does not end by itself.
    expires INTEGER,
    -- NULL: it was not revoked.
    revoked INTEGER,
    note TEXT NOT NULL DEFAULT ''
) STRICT;

-- What one client may publish to the topics of the pattern. NULL: no limit.
ALTER TABLE policies ADD COLUMN max_publishes_per_second REAL;
ALTER TABLE policies ADD COLUMN max_publish_bytes_per_second REAL;
