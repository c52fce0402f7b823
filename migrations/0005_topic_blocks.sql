-- How the messages of one topic are found. An index by topic would have a page for each topic that
-- is published to, and write them all with every commit; what follows keeps neighbours in time
-- neighbours on a page.

-- The blocks of 131,072 ids in which a topic has messages, or had some.
CREATE TABLE topic_blocks (
    topic INTEGER NOT NULL,
    -- id >> 17.
    block INTEGER NOT NULL,
    PRIMARY KEY (topic, block)
) STRICT, WITHOUT ROWID;

INSERT INTO topic_blocks
SELECT DISTINCT topic_id, id >> 17 FROM messages INDEXED BY messages_by_topic;

-- The parts of a block, each of 8,192 ids; a table to join with.
CREATE TABLE block_parts (part INTEGER PRIMARY KEY) STRICT;
INSERT INTO block_parts VALUES
(0), (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11), (12), (13), (14), (15);

-- First the old one, whose pages the new one takes.
DROP INDEX messages_by_topic;
CREATE INDEX messages_by_part ON messages (id >> 13, topic_id);
