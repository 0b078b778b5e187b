-- Keeps templates that were mined from changes, and which changes they were mined from.
--
-- Why: an edit that two people made in two places is likelier than most to be the next repair, in
-- whatever repository. A pattern is of Python's own words alone, so nobody's code is kept here.
-- Locks: none but those of the references.  Rows rewritten: none.
--
-- mined_source           changes that were read: a commit, or an improvement that was let in and kept
-- mined_template         patterns, each once
-- mined_template_source  which changes are cases of which pattern
-- mined_history          how far the history of a repository has been read, and by what

create table honed.mined_source (
  source_id bigint generated always as identity primary key,
  target_id bigint not null references honed.target (target_id),
  -- What let it in, as far as an improvement is concerned.
  commit text not null check (commit ~ '^([0-9a-f]{40}|[0-9a-f]{64})$'),
  -- Null: somebody else's commit.
  improvement_id bigint references honed.improvement (improvement_id),
  -- Of the lines that it changes: a commit that was copied from one branch to another has the same.
  patch_digest text not null check (patch_digest ~ '^[0-9a-f]{64}$'),
  seen_at timestamptz not null default honed.now()
);
create unique index mined_source_commit_idx
  on honed.mined_source (target_id, commit) where improvement_id is null;
create unique index mined_source_improvement_idx on honed.mined_source (improvement_id);

create table honed.mined_template (
  template_id bigint generated always as identity primary key,
  pattern text not null unique check (pattern ~ '^.+ -> .+$' and length(pattern) <= 400),
  digest text not null unique check (digest ~ '^[0-9a-f]{64}$'),
  first_seen_at timestamptz not null default honed.now()
);

create table honed.mined_template_source (
  template_id bigint not null references honed.mined_template (template_id),
  source_id bigint not null references honed.mined_source (source_id),
  -- Whether it is what the change has in common with others, and not what it says itself.
  is_common boolean not null,
  primary key (template_id, source_id)
);
create index mined_template_source_source_idx on honed.mined_template_source (source_id);

create table honed.mined_history (
  target_id bigint primary key references honed.target (target_id),
  commit text not null check (commit ~ '^([0-9a-f]{40}|[0-9a-f]{64})$'),
  -- What read it: another version may read more from the same commits.
  engine text not null check (engine <> ''),
  mined_at timestamptz not null default honed.now()
);

create trigger mined_source_is_append_only
  before update or delete or truncate on honed.mined_source
  for each statement execute function honed.refuse_change_rewrite();
create trigger mined_template_is_append_only
  before update or delete or truncate on honed.mined_template
  for each statement execute function honed.refuse_change_rewrite();
create trigger mined_template_source_is_append_only
  before update or delete or truncate on honed.mined_template_source
  for each statement execute function honed.refuse_change_rewrite();

create view honed.mined_template_support as
select
  counted.pattern, counted.name, counted.commits, counted.improvements, counted.repositories,
  counted.first_seen_at, counted.last_seen_at,
  counted.commits >= 2 or counted.improvements >= 1 as is_supported
from (
  select
    t.pattern,
    'mined:' || left(t.digest, 8) as name,
    count(distinct s.patch_digest) filter (where s.improvement_id is null) as commits,
    count(distinct s.improvement_id) as improvements,
    count(distinct s.target_id) as repositories,
    t.first_seen_at,
    max(s.seen_at) as last_seen_at
  from honed.mined_template as t
  join honed.mined_template_source as c using (template_id)
  join honed.mined_source as s using (source_id)
  left join honed.improvement as i using (improvement_id)
  where s.improvement_id is null or i.state = 'kept'
  group by t.template_id
) as counted;

grant select, insert on
  honed.mined_source, honed.mined_template, honed.mined_template_source
  to honed_daemon;
grant select, insert, update on honed.mined_history to honed_daemon;
grant select on honed.mined_template_support to honed_daemon, honed_viewer;

comment on view honed.mined_template_support is
  'Templates that were mined from changes, by what supports them: commits that change different lines'
  ' in the same way, and improvements that were let in and kept. A search uses one that has two such'
  ' commits or one such improvement (is_supported); name is what it is called in changes.';
