-- Topics are created on first use and keep their id for good.
CREATE TABLE topics (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    -- The largest id ever removed from this topic: a cursor before it has a gap.
    removed_through INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX topics_by_removed_through ON topics (removed_through) WHERE removed_through > 0;

-- The log. AUTOINCREMENT: no id is ever given twice, deletions and restarts included.
CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    topic_id INTEGER NOT NULL REFERENCES topics (id),
    -- Milliseconds since 1970-01-01T00:00:00Z.
    time INTEGER NOT NULL,
    event TEXT,
    key TEXT,
    -- UTF-8 text, kept as bytes because it may hold U+0000.
    data BLOB NOT NULL
) STRICT;

CREATE INDEX messages_by_topic ON messages (topic_id, id);

-- Whatever removes a message, the topic remembers: a gap is never kept from a subscriber.
CREATE TRIGGER messages_removed AFTER DELETE ON messages
BEGIN
    UPDATE topics SET removed_through = OLD.id
    WHERE id = OLD.topic_id AND removed_through < OLD.id;
END;

CREATE TABLE idempotency (
    topic_id INTEGER NOT NULL REFERENCES topics (id),
    key TEXT NOT NULL,
    -- SHA-256 of the content.
    digest BLOB NOT NULL,
    message_id INTEGER NOT NULL,
    time INTEGER NOT NULL,
    PRIMARY KEY (topic_id, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_by_time ON idempotency (time);
