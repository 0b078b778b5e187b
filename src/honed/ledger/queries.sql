-- lock_head --
-- Lock and read the head; the time is taken once the lock is held, so it follows the log's order.
WITH head AS MATERIALIZED (
    SELECT origin, size, frontier FROM honed.log_head FOR UPDATE
)
SELECT origin, size, frontier, honed.now() AS recorded_at FROM head

-- read_head --
-- Read the head, and whether this transaction has written anything.
SELECT
    origin,
    size,
    frontier,
    pg_current_xact_id_if_assigned() IS NOT NULL AS has_written
FROM honed.log_head

-- read_key --
-- Read the id of the key that signed the first entry; it signs the whole log.
SELECT envelope::json #>> '{signatures,0,keyid}' AS key_id
FROM honed.log_entry
WHERE leaf_index = 0

-- is_old --
-- Say whether the log was begun longer ago than honed leaves it without a checkpoint.
SELECT coalesce(min(recorded_at) < honed.now() - %(limit)s::interval, false) AS is_old
FROM honed.log_entry
WHERE leaf_index = 0

-- append_entry --
-- Write one entry, its parents, the subtrees that it completes and the new head.
WITH entry AS (
    INSERT INTO honed.log_entry (leaf_index, leaf_hash, event, recorded_at, envelope)
    VALUES (%(index)s, %(leaf)s, %(event)s, %(recorded_at)s, %(envelope)s)
), parent AS (
    INSERT INTO honed.log_parent (child_index, parent_index)
    SELECT %(index)s, unnest(%(parents)s::bigint[])
), node AS (
    INSERT INTO honed.log_node (level, node_index, hash)
    SELECT level, node_index, hash
    FROM unnest(%(levels)s::smallint[], %(indexes)s::bigint[], %(hashes)s::bytea[])
        AS completed (level, node_index, hash)
)
UPDATE honed.log_head SET size = %(index)s + 1, frontier = %(frontier)s::bytea[]

-- find_entries --
-- Find the places of entries by their leaf hashes.
SELECT leaf_index, leaf_hash
FROM honed.log_entry
WHERE leaf_hash = ANY (%(hashes)s::bytea[])

-- read_entry --
-- Read one entry.
SELECT leaf_index, leaf_hash, envelope
FROM honed.log_entry
WHERE leaf_index = %(index)s

-- read_nodes --
-- Read hashes of complete subtrees; those of one leaf are the entries' own.
SELECT 0 AS level, leaf_index AS node_index, leaf_hash AS hash
FROM honed.log_entry
WHERE leaf_index = ANY (%(leaves)s::bigint[])
UNION ALL
SELECT node.level, node.node_index, node.hash
FROM honed.log_node AS node
JOIN unnest(%(levels)s::smallint[], %(indexes)s::bigint[]) AS wanted (level, node_index)
    ON wanted.level = node.level AND wanted.node_index = node.node_index

-- survey --
-- Read the head and count what belongs to it, all as of one moment.
SELECT
    head.origin,
    head.size,
    head.frontier,
    (SELECT count(*) FROM honed.log_entry) AS entries,
    (SELECT count(*) FROM honed.log_node) AS nodes,
    (SELECT count(*) FROM honed.log_parent) AS parents
FROM honed.log_head AS head

-- read_batch --
-- Read some entries in the log's order with the leaf hashes of their parents.
SELECT
    entry.leaf_index,
    entry.leaf_hash,
    entry.event,
    entry.recorded_at,
    entry.envelope,
    ARRAY(
        SELECT encode(cause.leaf_hash, 'hex')
        FROM honed.log_parent AS edge
        JOIN honed.log_entry AS cause ON cause.leaf_index = edge.parent_index
        WHERE edge.child_index = entry.leaf_index
    ) AS parents
FROM honed.log_entry AS entry
WHERE entry.leaf_index >= %(start)s AND entry.leaf_index < %(stop)s
ORDER BY entry.leaf_index

-- walk_ancestors --
-- Walk from one entry to what led to it, nearest first; the LIMIT inside stops the recursion itself.
WITH RECURSIVE walk (leaf_index, depth) AS (
    SELECT leaf_index, 0 FROM honed.log_entry WHERE leaf_hash = %(leaf)s
    UNION
    SELECT edge.parent_index, walk.depth + 1
    FROM walk
    JOIN honed.log_parent AS edge ON edge.child_index = walk.leaf_index
    WHERE walk.depth < %(depth)s
), reached AS (
    SELECT leaf_index, depth FROM walk LIMIT %(rows)s
)
SELECT entry.leaf_index, entry.leaf_hash, entry.event, entry.recorded_at, reached.depth
FROM reached
JOIN honed.log_entry AS entry ON entry.leaf_index = reached.leaf_index
ORDER BY reached.depth, reached.leaf_index

-- walk_descendants --
-- Walk from one entry to what it led to, nearest first; see walk_ancestors.
WITH RECURSIVE walk (leaf_index, depth) AS (
    SELECT leaf_index, 0 FROM honed.log_entry WHERE leaf_hash = %(leaf)s
    UNION
    SELECT edge.child_index, walk.depth + 1
    FROM walk
    JOIN honed.log_parent AS edge ON edge.parent_index = walk.leaf_index
    WHERE walk.depth < %(depth)s
), reached AS (
    SELECT leaf_index, depth FROM walk LIMIT %(rows)s
)
SELECT entry.leaf_index, entry.leaf_hash, entry.event, entry.recorded_at, reached.depth
FROM reached
JOIN honed.log_entry AS entry ON entry.leaf_index = reached.leaf_index
ORDER BY reached.depth, reached.leaf_index
