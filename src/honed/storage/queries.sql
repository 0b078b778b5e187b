-- create_migration_table --
-- Make the table that says which migrations were applied.
CREATE TABLE IF NOT EXISTS honed.migration
( name text PRIMARY KEY
, sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$')
, applied_at timestamptz NOT NULL
);

-- lock_migrations --
-- Wait until no other process migrates this database.
SELECT pg_advisory_xact_lock(7450126840317);

-- find_migration_table --
-- Tell whether this database was ever migrated.
SELECT to_regclass('honed.migration') IS NOT NULL AS is_there;

-- list_migrations --
-- The migrations that were applied, oldest first.
SELECT name, sha256 FROM honed.migration ORDER BY name;

-- record_migration --
-- Remember that a migration was applied.
INSERT INTO honed.migration (name, sha256, applied_at) VALUES (%(name)s, %(sha256)s, honed.now());

-- find_database --
-- Tell whether a database of this name exists on the server.
SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = %(name)s) AS is_there;

-- describe_store --
-- What the server says of the database that the store lives in.
SELECT current_setting('server_version') AS server_version
     , current_database() AS database
     , session_user AS login
     , pg_database_size(current_database()) AS size_bytes;

-- list_history --
-- The migrations that were applied and when, oldest first.
SELECT name, applied_at FROM honed.migration ORDER BY name;

-- list_members --
-- Honed's roles, and who may log in and act as each; superusers may in any case.
SELECT role.rolname AS role
     , coalesce(
         array_agg(login.rolname::text ORDER BY login.rolname)
           FILTER (WHERE login.rolname IS NOT NULL),
         '{}'
       ) AS logins
FROM pg_roles AS role
LEFT JOIN pg_roles AS login
  ON login.rolcanlogin
  AND NOT login.rolsuper
  AND pg_has_role(login.oid, role.oid, 'MEMBER')
WHERE role.rolname IN
  ( 'honed_viewer', 'honed_operator', 'honed_approver', 'honed_daemon', 'honed_intake'
  , 'honed_asker'
  )
GROUP BY role.rolname;

-- read_login --
-- Who logged in, and whether this login could decide beside honed's rules, or approve by them.
SELECT session_user AS name
     , pg_has_role(session_user, relation.relowner, 'MEMBER') AS is_owner
     , pg_has_role(session_user, 'honed_approver', 'MEMBER') AS is_approver
FROM pg_class AS relation
WHERE relation.oid = 'honed.approval'::regclass;
