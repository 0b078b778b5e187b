"""The SQL that creates a target's two roles: one that only looks, one that may change."""

from psycopg import sql

#: Runs in the target's database as a superuser. Written to be read before it is run.
_TEMPLATE = """\
-- Roles of honed for the database {database_name}. Run this as a superuser in that database,
-- then give each role a password with \\password, or a certificate. It can be run again, after
-- new tables or owners; a role that is there keeps its own settings.

-- 1. What honed reads. The server must load the library (shared_preload_libraries).
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;

-- 2. The observing role. It sees what every role runs (pg_monitor) and reads every table
--    (pg_read_all_data), because trials run on a private copy of the data. It writes nothing:
--    it has no such privilege anywhere, and each of its transactions begins as read only.
DO $honed$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {observer_literal}) THEN
    CREATE ROLE {observer} LOGIN CONNECTION LIMIT 10;
    ALTER ROLE {observer} SET default_transaction_read_only = on;
  END IF;
END
$honed$;
GRANT pg_monitor, pg_read_all_data TO {observer};
GRANT CONNECT ON DATABASE {database} TO {observer};

-- 3. The acting role. Only what was proven and approved runs as it. PostgreSQL lets nobody but
--    the owner of a table index it or create statistics on it, and there is no lesser privilege:
--    so the role becomes a member of each owner. Leave this part out to let honed only look.
DO $honed$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {actor_literal}) THEN
    CREATE ROLE {actor} LOGIN CONNECTION LIMIT 4;
  END IF;
END
$honed$;
GRANT CONNECT ON DATABASE {database} TO {actor};
DO $honed$
DECLARE
  v_owner name;
  v_schema name;
  v_is_superuser boolean;
BEGIN
  FOR v_owner, v_is_superuser IN
    SELECT DISTINCT r.rolname, r.rolsuper
    FROM pg_class AS c
    JOIN pg_roles AS r ON r.oid = c.relowner
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'm')
      AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'
  LOOP
    IF v_is_superuser THEN
      RAISE WARNING 'tables of the superuser % are left alone: change their owner first', v_owner;
    ELSIF v_owner <> {actor_literal} THEN
      EXECUTE format('GRANT %I TO %I', v_owner, {actor_literal});
    END IF;
  END LOOP;
  -- An index and a statistics object are also objects of the table's schema.
  FOR v_schema IN
    SELECT DISTINCT n.nspname
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'm')
      AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'
  LOOP
    EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %I TO %I', v_schema, {actor_literal});
  END LOOP;
END
$honed$;

-- 4. What it takes to warm the server's memory after a restart: to see what is in it, and to read
--    tables into it. Both are part of PostgreSQL's contrib. Leave this part out to let it be.
DO $honed$
DECLARE
  v_name name;
  v_schema name;
BEGIN
  FOR v_name IN
    SELECT e.name FROM pg_available_extensions AS e
    WHERE e.name IN ('pg_buffercache', 'pg_prewarm')
  LOOP
    EXECUTE format('CREATE EXTENSION IF NOT EXISTS %I', v_name);
  END LOOP;
  -- So that the acting role sees, when it reads, whether it would drive out what is used.
  SELECT n.nspname INTO v_schema
  FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
  WHERE e.extname = 'pg_buffercache';
  IF FOUND THEN
    EXECUTE format('GRANT SELECT ON %I.pg_buffercache TO %I', v_schema, {actor_literal});
    EXECUTE format('GRANT EXECUTE ON FUNCTION %I.pg_buffercache_pages() TO %I',
                   v_schema, {actor_literal});
  END IF;
END
$honed$;

-- 5. Leave this part out unless honed may also change settings for single roles of applications
--    (work_mem, and settings of the planner that bring a plan back). PostgreSQL takes that for
--    administering the role: CREATEROLE, and from version 16 on the ADMIN option on each role.
--    Without it such claims are told, and not made. Put in the roles, and remove the dashes.
-- ALTER ROLE {actor} CREATEROLE;
-- GRANT the_application TO {actor} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;
"""


def observer_name(name: str) -> str:
    """Return the name of the observing role of target ``name``."""
    return f"honed_observe_{name}"


def actor_name(name: str) -> str:
    """Return the name of the acting role of target ``name``."""
    return f"honed_act_{name}"


def roles_sql(name: str, database: str, *, observer: str = "", actor: str = "") -> str:
    """Return the SQL that creates both roles of a target, for a superuser to read and run.

    The observing role can then do everything that ``PostgresTarget`` does, the acting role build
    and drop indexes and statistics objects on tables whose owner is no superuser. No password is
    set here.

    Args:
        name: the target's name.

        database: the name of its database.

        observer: the name of the observing role; empty: ``observer_name``.

        actor: the name of the acting role; empty: ``actor_name``.
    """
    observer = observer or observer_name(name)
    actor = actor or actor_name(name)
    return (
        sql.SQL(_TEMPLATE)
        .format(
            database=sql.Identifier(database),
            database_name=sql.Identifier(database),
            observer=sql.Identifier(observer),
            observer_literal=sql.Literal(observer),
            actor=sql.Identifier(actor),
            actor_literal=sql.Literal(actor),
        )
        .as_string(None)
    )
