-- Why: the record of everything honed proposes, approves and does is an append-only Merkle log
--   (RFC 9162, section 2.1), written in the same transaction as the change that it records.
-- Locks: none on existing tables. Rows rewritten: none.
--
-- log_entry   one signed envelope each; its place is its leaf index, without gaps, from 0
-- log_node    hashes of complete subtrees of two or more leaves; they never change once written
-- log_parent  the provenance graph: which entries led to which
-- log_head    one row: size and frontier. Whoever appends locks it, so the order is serial
--
-- The triggers stop accidents and the daemon's role. They do not stop an owner or a superuser, who
-- can disable them: what shows that is the verification against a checkpoint outside the database.

CREATE TABLE honed.log_entry (
    leaf_index bigint PRIMARY KEY CHECK (leaf_index >= 0),
    leaf_hash bytea NOT NULL UNIQUE CHECK (octet_length(leaf_hash) = 32),
    event text NOT NULL CHECK (event ~ '^[a-z][a-z_]{0,62}$'),
    recorded_at timestamptz NOT NULL,
    envelope text NOT NULL CHECK (octet_length(envelope) <= 262144)
);

CREATE TABLE honed.log_node (
    level smallint NOT NULL CHECK (level BETWEEN 1 AND 62),
    node_index bigint NOT NULL CHECK (node_index >= 0),
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (level, node_index)
);

CREATE TABLE honed.log_parent (
    child_index bigint NOT NULL REFERENCES honed.log_entry,
    parent_index bigint NOT NULL REFERENCES honed.log_entry,
    PRIMARY KEY (child_index, parent_index),
    CHECK (parent_index < child_index)
);

CREATE INDEX log_parent_by_parent ON honed.log_parent (parent_index, child_index);

CREATE TABLE honed.log_head (
    log_head_id smallint PRIMARY KEY DEFAULT 1 CHECK (log_head_id = 1),
    -- Visible ASCII without "+": the rule of C2SP signed notes for the name of a key.
    origin text NOT NULL CHECK (origin ~ '^[!-*,-~]+$'),
    size bigint NOT NULL CHECK (size >= 0),
    frontier bytea[] NOT NULL
);

INSERT INTO honed.log_head (origin, size, frontier)
VALUES ('honed.dev/ledger/' || gen_random_uuid(), 0, '{}');

CREATE FUNCTION honed.refuse_log_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: % on %.% is refused',
        tg_op, tg_table_schema, tg_table_name
        USING ERRCODE = 'insufficient_privilege';
END;
$$;

CREATE FUNCTION honed.refuse_log_shrinking() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF new.origin <> old.origin OR new.size <= old.size THEN
        RAISE EXCEPTION 'the ledger is append-only: its head may only grow'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN new;
END;
$$;

CREATE TRIGGER log_entry_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON honed.log_entry
FOR EACH STATEMENT EXECUTE FUNCTION honed.refuse_log_change();
CREATE TRIGGER log_node_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON honed.log_node
FOR EACH STATEMENT EXECUTE FUNCTION honed.refuse_log_change();
CREATE TRIGGER log_parent_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON honed.log_parent
FOR EACH STATEMENT EXECUTE FUNCTION honed.refuse_log_change();
CREATE TRIGGER log_head_is_one_row BEFORE INSERT OR DELETE OR TRUNCATE ON honed.log_head
FOR EACH STATEMENT EXECUTE FUNCTION honed.refuse_log_change();
CREATE TRIGGER log_head_only_grows BEFORE UPDATE ON honed.log_head
FOR EACH ROW EXECUTE FUNCTION honed.refuse_log_shrinking();

-- Also while session_replication_role is "replica", which switches ordinary triggers off.
ALTER TABLE honed.log_entry ENABLE ALWAYS TRIGGER log_entry_is_append_only;
ALTER TABLE honed.log_node ENABLE ALWAYS TRIGGER log_node_is_append_only;
ALTER TABLE honed.log_parent ENABLE ALWAYS TRIGGER log_parent_is_append_only;
ALTER TABLE honed.log_head ENABLE ALWAYS TRIGGER log_head_is_one_row;
ALTER TABLE honed.log_head ENABLE ALWAYS TRIGGER log_head_only_grows;

CREATE VIEW honed.ledger AS
SELECT
    leaf_index,
    recorded_at,
    event,
    encode(leaf_hash, 'hex') AS leaf_hash,
    convert_from(decode(envelope::json ->> 'payload', 'base64'), 'UTF8')::json AS statement
FROM honed.log_entry;

COMMENT ON VIEW honed.ledger IS 'The ledger for reading; `honed verify` checks it.';

GRANT SELECT ON honed.log_entry, honed.log_node, honed.log_parent, honed.log_head, honed.ledger
TO honed_viewer, honed_daemon;
GRANT INSERT ON honed.log_entry, honed.log_node, honed.log_parent TO honed_daemon;
GRANT UPDATE (size, frontier) ON honed.log_head TO honed_daemon;
