-- Why: every time in honed is read from honed.now(), so that tests can set it; four roles bound
-- what each user of the store may do.
-- Locks: none that another session could wait for. Rows rewritten: none.

CREATE SCHEMA IF NOT EXISTS honed;

-- The setting honed.fake_now stops the clock for one session. Declared STABLE although the clock
-- moves on within a statement: a scan shall evaluate it once, so that an index can serve it.
CREATE FUNCTION honed.now() RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT coalesce(nullif(current_setting('honed.fake_now', true), '')::timestamptz, clock_timestamp())
$$;

COMMENT ON FUNCTION honed.now() IS 'The time in honed: the setting honed.fake_now, else the clock.';

-- Roles belong to the whole server: another database, or another session right now, may have
-- created them already.
DO $$
DECLARE
  v_role text;
BEGIN
  FOREACH v_role IN ARRAY ARRAY['honed_viewer', 'honed_operator', 'honed_approver', 'honed_daemon'] LOOP
    BEGIN
      EXECUTE format('CREATE ROLE %I NOLOGIN', v_role);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      NULL;
    END;
    -- An owner who is no superuser must be a member to act as the role.
    IF NOT pg_has_role(current_user, v_role, 'MEMBER') THEN
      EXECUTE format('GRANT %I TO %I', v_role, current_user);
    END IF;
  END LOOP;
  IF NOT pg_has_role('honed_operator', 'honed_viewer', 'MEMBER') THEN
    GRANT honed_viewer TO honed_operator;
  END IF;
  IF NOT pg_has_role('honed_approver', 'honed_operator', 'MEMBER') THEN
    GRANT honed_operator TO honed_approver;
  END IF;
END
$$;

GRANT USAGE ON SCHEMA honed TO honed_viewer, honed_daemon;
GRANT SELECT ON honed.migration TO honed_viewer, honed_daemon;

-- A viewer may read every table that later migrations create; the daemon gets what each of them
-- grants, and nothing else.
ALTER DEFAULT PRIVILEGES IN SCHEMA honed GRANT SELECT ON TABLES TO honed_viewer;
