-- What operators settle for the topics that a pattern stands for. NULL: no limit.
CREATE TABLE policies (
    pattern TEXT PRIMARY KEY,
    max_age_seconds INTEGER,
    max_messages INTEGER,
    -- Of payload, as everywhere.
    max_bytes INTEGER,
    max_message_bytes INTEGER,
    -- Whether a publish to a topic that does not exist creates it.
    creates_topics INTEGER NOT NULL DEFAULT 1,
    description TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;

-- A deleted topic keeps its row: what was removed from it is not forgotten, nor its number.
ALTER TABLE topics ADD COLUMN is_deleted INTEGER NOT NULL DEFAULT 0;

-- Messages up to this id are gone for everybody; rows that are still there wait to be freed.
-- Not removed_through: a message that was deleted by hand says nothing of those before it.
ALTER TABLE topics ADD COLUMN purged_through INTEGER NOT NULL DEFAULT 0;

-- The messages of the topic after purged_through and up to counted_through, and their payload.
ALTER TABLE topics ADD COLUMN message_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE topics ADD COLUMN byte_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE topics ADD COLUMN counted_through INTEGER NOT NULL DEFAULT 0;

-- The broker notes what it removes before it does. Whatever else removes a message is noted here:
-- a gap is never kept from a subscriber, and the topic is counted anew. counted_through then has
-- a value it never had: the broker does not take its own count for good any more.
DROP TRIGGER messages_removed;
CREATE TRIGGER messages_removed AFTER DELETE ON messages
BEGIN
    UPDATE topics SET
        removed_through = max(removed_through, OLD.id),
        message_count = 0,
        byte_count = 0,
        counted_through = min(counted_through, 0) - 1
    WHERE id = OLD.topic_id AND purged_through < OLD.id;
END;
