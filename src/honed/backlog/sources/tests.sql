-- list_failing --
-- What failed on the newest commit of each project's main branch, in every attempt, with the tests that failed of it; one row a fault. Where nobody tells a commit, the newest run stands for it.
WITH result AS (
       SELECT test_result.project, test_result.test, test_result.environment,
              coalesce(
                nullif(test_result.commit, ''), 'run ' || nullif(test_result.run, ''), ''
              ) AS code,
              coalesce(test_result.commit, '') AS commit,
              coalesce(test_result.branch, '') AS branch,
              -- ISO 8601 in UTC is in the order of its letters.
              coalesce(test_result.committed_at, '') COLLATE "C" AS committed_at,
              test_result.outcome <> 'passed' AS is_failure, test_result.at,
              test_result.received_at, test_result.file, test_result.message,
              test_result.fingerprint
         FROM honed.test_result
        WHERE test_result.outcome IN ('passed', 'failed', 'error')
          -- What is not committed is work in progress.
          AND test_result.dirty IS NOT TRUE
          AND test_result.received_at > honed.now() - interval '14 days'
          -- Most tests never fail: their results are not read.
          AND test_result.test = ANY (ARRAY(
                SELECT DISTINCT signal.subject FROM honed.signal
                 WHERE signal.type = 'test_result' AND signal.fingerprint <> ''
                   AND signal.received_at > honed.now() - interval '14 days'
              ))
     ),
     run AS MATERIALIZED (
       SELECT test_result.project, coalesce(test_result.branch, '') AS branch, test_result.run,
              coalesce(
                nullif(test_result.commit, ''), 'run ' || nullif(test_result.run, ''), ''
              ) AS code,
              coalesce(test_result.commit, '') AS commit,
              coalesce(test_result.committed_at, '') COLLATE "C" AS committed_at,
              max(test_result.at) AS at, min(test_result.received_at) AS received_at
         FROM honed.test_result
        WHERE test_result.outcome IN ('passed', 'failed', 'error')
          AND test_result.dirty IS NOT TRUE
          AND test_result.received_at > honed.now() - interval '14 days'
        GROUP BY 1, 2, 3, 4, 5, 6
     ),
     main AS (
       SELECT DISTINCT ON (run.project) run.project, run.branch
         FROM run
        GROUP BY run.project, run.branch
        ORDER BY run.project, run.branch IN ('main', 'master', 'trunk') DESC, count(*) DESC,
                 run.branch
     ),
     newest AS (
       SELECT DISTINCT ON (run.project) run.project, run.branch, run.code,
              max(run.commit) AS commit, max(run.committed_at) AS committed_at, max(run.at) AS at,
              min(run.received_at) AS received_at
         FROM run
         JOIN main ON main.project = run.project AND main.branch = run.branch
        GROUP BY run.project, run.branch, run.code
        ORDER BY run.project, max(run.committed_at) DESC, max(run.at) DESC
     ),
     failing AS MATERIALIZED (
       SELECT result.project, newest.branch, newest.commit, result.test, result.environment,
              (array_agg(result.fingerprint ORDER BY result.at DESC)
                FILTER (WHERE result.code = newest.code))[1] AS fingerprint,
              (array_agg(result.message ORDER BY result.at DESC)
                FILTER (WHERE result.code = newest.code))[1] AS message,
              (array_agg(result.file ORDER BY result.at DESC)
                FILTER (WHERE result.code = newest.code))[1] AS file,
              max(result.at) FILTER (WHERE result.code = newest.code) AS last_at,
              max(result.received_at) FILTER (WHERE result.code = newest.code) AS received_at,
              -- The last commit before it on which the test passed.
              (array_agg(result.commit ORDER BY result.committed_at DESC, result.at DESC)
                FILTER (
                  WHERE NOT result.is_failure AND result.code <> newest.code
                    AND (result.committed_at, result.at) < (newest.committed_at, newest.at)
                ))[1] AS passed_commit
         FROM result
         JOIN newest ON newest.project = result.project AND newest.branch = result.branch
        GROUP BY result.project, newest.branch, newest.commit, result.test, result.environment
       -- What also passed there is flaky.
       HAVING bool_and(result.is_failure) FILTER (WHERE result.code = newest.code)
     ),
     -- All that ran there, other tests too.
     size AS MATERIALIZED (
       SELECT newest.project, count(DISTINCT test_result.test) AS tests
         FROM newest
         JOIN honed.test_result ON test_result.project = newest.project
          AND test_result.received_at >= newest.received_at
          AND coalesce(test_result.commit, '') = newest.commit
          AND coalesce(test_result.branch, '') = newest.branch
        GROUP BY newest.project
     )
SELECT failing.project, failing.branch, failing.commit, size.tests AS tests_run,
       failing.fingerprint, signal_group.title, signal_group.culprit, signal_group.files,
       signal_group.event_count, signal_group.first_seen_at,
       count(DISTINCT failing.test) AS tests_failing,
       (array_agg(DISTINCT failing.test))[:20] AS tests,
       array_agg(DISTINCT failing.environment) AS environments,
       array_remove(array_agg(DISTINCT failing.file), NULL) AS test_files,
       left(max(failing.message), 2000) AS message,
       max(failing.last_at) AS last_seen_at,
       max(failing.passed_commit) AS passed_commit
  FROM failing
  JOIN honed.project ON project.name = failing.project
  JOIN honed.signal_group ON signal_group.project_id = project.project_id
   AND signal_group.fingerprint = failing.fingerprint
  JOIN size ON size.project = failing.project
 GROUP BY failing.project, failing.branch, failing.commit, size.tests, failing.fingerprint,
          signal_group.group_id
HAVING max(failing.received_at) >= %(since)s
 ORDER BY failing.project, signal_group.group_id;

-- list_flaky --
-- Tests that were flaky in the last days: proven, or often enough suspected.
SELECT flaky_test.project, flaky_test.test, flaky_test.is_proven, flaky_test.commits,
       flaky_test.commit_failures, flaky_test.commit_passes, flaky_test.flips,
       flaky_test.results, flaky_test.failures, flaky_test.failure_share, flaky_test.runs,
       flaky_test.environments, flaky_test.first_seen_at, flaky_test.last_seen_at,
       flaky_test.file, left(flaky_test.message, 2000) AS message
  FROM honed.flaky_test
 WHERE (flaky_test.is_proven OR flaky_test.flips >= %(least_flips)s)
   AND flaky_test.last_seen_at > honed.now() - make_interval(days => %(days)s::integer)
 ORDER BY flaky_test.project, flaky_test.test;
