-- ProcessFleet: the truth, in one file.
--
-- A process definition (BPMN) is deployed once per version. Starting it makes a process instance (bpm_proc_inst) and
-- one row in todolist per task. A task for a person waits as TODO in an inbox. A task for an agent waits as PENDING
-- in the queue named after its orchestrator until an agent pod claims it.
--
-- A claim gives the pod a lease and a fencing token that no other claim ever had. The pod renews the lease while the
-- orchestrator works. Every write about a claimed task carries the token, and a stale token is refused: a pod that
-- was frozen, cut off or declared dead cannot touch what another pod has taken over. A lease that ran out is
-- reclaimed by the next claim of any pod.
--
-- Finishing a task, moving the process instance on and inserting the next tasks is one transaction. Who asks, who
-- worked and who decided is written to events.
--
--     PENDING -> IN_PROGRESS -> DONE
--                  | \-> TODO      (the agent drafted; a person submits) -> DONE
--                  | \-> PENDING   (retry after available_at, or handed back)
--                  | \-> WAITING   (suspended) -> PENDING
--                  | \-> FAILED    (an incident)
--     any open status \-> CANCELLED
--
-- Every transition is one function of schema public; it returns a set of rows, takes named arguments, and answers a
-- refusal with an SQLSTATE that is also an HTTP status (PT404, PT409, PT422 ...; DETAIL holds the machine's word).
-- Schema kernel holds what only these functions use. The file may be applied any number of times.
--
-- Chapters: 1 words, 2 roles, 3 tables, 4 clock and claims, 5 queue, 6 tasks and steps, 7 for the pod,
--           8 for the API, 9 documents, 10 notifications and outbox, 11 reading, 12 dashboards,
--           13 policies and grants, 14 Supabase.

-- == 1. Words ========================================================================================================

create schema if not exists kernel;
create schema if not exists extensions;
create extension if not exists vector with schema extensions;

do $$ begin
    if to_regtype('public.process_status') is null then
        create type public.process_status as enum ('NEW', 'RUNNING', 'COMPLETED', 'ERROR', 'CANCELLED');
    end if;
    if to_regtype('public.task_status') is null then
        create type public.task_status as enum
            ('TODO', 'PENDING', 'IN_PROGRESS', 'WAITING', 'DONE', 'FAILED', 'CANCELLED');
    end if;
    if to_regtype('public.agent_mode') is null then
        create type public.agent_mode as enum ('none', 'draft', 'complete');
    end if;
    -- What next_task hands over: cheaper than a list of columns. A new one is added by alter type, at the end.
    if to_regtype('public.claimed_task') is null then
        create type public.claimed_task as (
            tenant_id text, task_id uuid, proc_inst_id uuid, process_definition_id text, activity_id text, name text,
            iteration int, engine_token text, agent_orch text, agent jsonb, agent_id text,
            agent_mode public.agent_mode, instruction text, input jsonb, output_schema jsonb, attempt int,
            max_attempts int, timeout_seconds int, fencing_token bigint, lease_expires_at timestamptz,
            created_at timestamptz, started_at timestamptz);
    end if;
    if to_regtype('public.event_type') is null then
        create type public.event_type as enum (
            'DEFINITION_DEPLOYED', 'INSTANCE_STARTED', 'INSTANCE_COMPLETED', 'INSTANCE_CANCELLED',
            'TASK_CREATED', 'TASK_CLAIMED', 'TASK_PROGRESS', 'TASK_DRAFTED', 'TASK_SUBMITTED', 'TASK_COMPLETED',
            'TASK_RETRIED', 'TASK_RELEASED', 'TASK_RECLAIMED', 'TASK_CANCELLED', 'DOCUMENT_SAVED', 'INCIDENT');
    end if;
    if to_regtype('public.call_kind') is null then
        create type public.call_kind as enum ('chat', 'responses', 'embeddings', 'tool');
    end if;
    if to_regtype('public.pod_status') is null then
        create type public.pod_status as enum ('READY', 'DRAINING', 'STOPPED');
    end if;
    if to_regtype('public.outbox_channel') is null then
        create type public.outbox_channel as enum ('email', 'webhook', 'fcm', 'message');
    end if;
    if to_regtype('public.outbox_status') is null then
        create type public.outbox_status as enum ('PENDING', 'SENDING', 'DELIVERED', 'DEAD');
    end if;
end $$;

alter type public.event_type add value if not exists 'DELIVERY_DEAD';
alter type public.event_type add value if not exists 'TASK_ASSIGNED';
alter type public.event_type add value if not exists 'TASK_CHANGED';
alter type public.event_type add value if not exists 'INCIDENT_RETRIED';
alter type public.event_type add value if not exists 'TOKEN_MOVED';
alter type public.event_type add value if not exists 'INSTANCE_FORKED';
alter type public.event_type add value if not exists 'API_KEY_CHANGED';
alter type public.event_type add value if not exists 'WEBHOOK_SECRET_ROTATED';
alter type public.event_type add value if not exists 'EVENT_RECEIVED';
alter type public.event_type add value if not exists 'EVENT_THROWN';
alter type public.event_type add value if not exists 'CALL_DIVERGED';
alter type public.event_type add value if not exists 'KILL_SWITCH_SET';
alter type public.event_type add value if not exists 'KILL_SWITCH_RELEASED';
alter type public.event_type add value if not exists 'KILL_SWITCH_DRILLED';
alter type public.event_type add value if not exists 'QUESTION_ASKED';
alter type public.event_type add value if not exists 'QUESTION_ANSWERED';
alter type public.event_type add value if not exists 'TASK_SUSPENDED';
alter type public.event_type add value if not exists 'TASK_RESUMED';
alter type public.event_type add value if not exists 'MCP_SERVER_CHANGED';
alter type public.event_type add value if not exists 'INCIDENT_DISCARDED';
alter type public.event_type add value if not exists 'LIMIT_NEAR';
alter type public.event_type add value if not exists 'LIMIT_EXTENDED';

-- Why an attempt failed (docs/retries.md; kernel/error_classes.py has the same names). retried: another attempt is made
-- unless the task's retry policy says otherwise; may_retry: a policy may ask for one; counts: it uses an attempt up.
create or replace function kernel.error_classes()
returns table (error_class text, retried boolean, may_retry boolean, counts boolean, meaning text)
language sql immutable as $$
    values
        ('worker_lost', true, true, true, 'the pod stopped renewing its lease'),
        ('orchestrator_crashed', true, true, true, 'the orchestrator ended, or answered what is no message'),
        ('orchestrator_failed', true, true, true, 'the orchestrator said that it failed, for reasons of its own'),
        ('timed_out', true, true, true, 'no answer within the time of an attempt'),
        ('out_of_memory', true, true, true, 'the orchestrator used more memory than it may'),
        ('out_of_bounds', true, true, true, 'the orchestrator started or printed more than it may'),
        ('model_overloaded', true, true, false, 'the model endpoint asked to come back later'),
        ('model_unavailable', true, true, true, 'the model endpoint could not be reached, or broke down'),
        ('model_auth', false, true, true, 'the model endpoint refused the key, or its account has no credit'),
        ('model_refused', false, true, true, 'the model would not answer this'),
        ('tool_failed', true, true, true, 'a tool failed, and the orchestrator with it'),
        ('output_invalid', true, true, true, 'the output does not fit its schema'),
        ('output_refused', false, false, true, 'the database cannot hold the output'),
        ('input_refused', false, false, true, 'what the task was given cannot be worked on'),
        ('definition_invalid', false, false, true, 'the definition asks for what is not there, or cannot go on'),
        ('limit_reached', false, false, true, 'the task, or all of its tenant, has used what it may'),
        ('given_up', false, false, true, 'a person decided that the task fails')
$$;

-- == 2. Roles ========================================================================================================
-- anon, authenticated and service_role are Supabase's; they are made only where they are missing. fleet_api,
-- fleet_pod and fleet_deliver are what our programs become after they connect; none can bypass row-level security.

do $$
declare
    v_role text;
begin
    foreach v_role in array array['anon', 'authenticated', 'service_role', 'fleet_api', 'fleet_pod', 'fleet_deliver'] loop
        if not exists (select from pg_catalog.pg_roles where rolname = v_role) then
            execute format('create role %I nologin', v_role);
        end if;
    end loop;
    if not (select rolsuper from pg_catalog.pg_roles where rolname = current_user) then
        execute format('grant fleet_api, fleet_pod, fleet_deliver to %I', current_user);
    end if;
end $$;

-- == 3. Tables =======================================================================================================
-- tenant_id leads every key, so that a reference can never cross tenants. Only agent_orch and pod belong to the
-- platform, not to a tenant.

create table if not exists public.tenants (
    tenant_id text primary key check (tenant_id ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    name text not null,
    created_at timestamptz not null,
    weight numeric not null default 1,                 -- its share of the pods beside that of others; see chapter 5
    max_running int,                                   -- most tasks at once; null: any number
    max_waiting int                                    -- most tasks that wait in the queues; null: any number
);
alter table public.tenants add column if not exists weight numeric not null default 1;
alter table public.tenants add column if not exists max_running int;
alter table public.tenants add column if not exists max_waiting int;
alter table public.tenants add column if not exists retry_policy jsonb;      -- of its tasks; see kernel.retry_policy
-- limits: what each task may use; see chapter 7. budget: what all of them may use, {day?: {tokens?, cost_usd?}, month?:
-- ...}; days and months are those of UTC.
alter table public.tenants add column if not exists limits jsonb not null default '{}';
alter table public.tenants add column if not exists budget jsonb not null default '{}';

create table if not exists public.api_key (
    tenant_id text not null references public.tenants,
    key_id uuid not null,
    name text not null,
    key_hash text not null unique,                     -- sha256 of the key, in hex; the key itself is never stored
    created_at timestamptz not null,
    revoked_at timestamptz,
    primary key (tenant_id, key_id)
);

-- role and scopes: what the key may do, in the words of the API; scopes null: all of its role.
-- After a rotation the old key is valid until old_key_until. last_used_at is written at most once a minute.
alter table public.api_key
    add column if not exists role text not null default 'admin'
        check (role in ('viewer', 'worker', 'operator', 'process_owner', 'admin')),
    add column if not exists scopes jsonb,
    add column if not exists created_by text not null default 'kernel',
    add column if not exists expires_at timestamptz,
    add column if not exists last_used_at timestamptz,
    add column if not exists old_key_hash text unique,
    add column if not exists old_key_until timestamptz;

create table if not exists public.process_def (
    tenant_id text not null references public.tenants,
    id text not null,                                  -- the id of the BPMN process element
    version int not null,
    name text not null,
    bpmn text not null,
    spec jsonb not null,                               -- what the engine made of the BPMN; stored once per version
    bpmn_sha256 text not null,
    deployed_by text not null,
    created_at timestamptz not null,
    primary key (tenant_id, id, version)
);

create table if not exists public.decision_def (
    tenant_id text not null references public.tenants,
    id text not null,                                  -- the id of the DMN decision element
    version int not null,
    name text not null,
    dmn text not null,                                 -- the whole file
    spec jsonb not null,                               -- what the engine made of it: the decision and all it requires
    dmn_sha256 text not null,
    deployed_by text not null,
    created_at timestamptz not null,
    primary key (tenant_id, id, version)
);

create table if not exists public.bpm_proc_inst (
    tenant_id text not null references public.tenants,
    id uuid not null,
    process_definition_id text not null,
    process_definition_version int not null,           -- pinned: an instance ends on the version it began with
    initiator text not null,
    status public.process_status not null,
    variables jsonb not null,
    state jsonb not null,                              -- the engine's state, without the spec
    revision int not null,                             -- compare-and-set: every step is computed for one revision
    error text,
    start_time timestamptz not null,
    end_time timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, process_definition_id, process_definition_version) references public.process_def
) with (fillfactor = 70);

-- Of a fork: the instance it came from, and before which of its steps it stood; see public.find_steps.
alter table public.bpm_proc_inst
    add column if not exists forked_from uuid,
    add column if not exists forked_step int;

create index if not exists bpm_proc_inst_by_status on public.bpm_proc_inst (tenant_id, status, id);
create index if not exists bpm_proc_inst_by_definition on public.bpm_proc_inst (tenant_id, process_definition_id, id);

-- kernel.insert_tasks checks the numbers: CHECK constraints would be evaluated by every claim and every end.
create table if not exists public.todolist (
    tenant_id text not null references public.tenants,
    task_id uuid not null,
    proc_inst_id uuid,                                 -- null: a task that stands alone
    process_definition_id text,                        -- of a called process: that one's
    activity_id text not null,
    name text not null,
    iteration int not null,                            -- how often the instance has come to this activity
    engine_token text,                                 -- the engine's name for this task
    status public.task_status not null,
    agent_orch text,                                   -- the orchestrator, and so the queue; null: a person's task
    agent_id text,
    agent_mode public.agent_mode not null,
    instruction text not null,
    input jsonb not null,
    output_schema jsonb,
    form jsonb,
    assignee text,
    candidate_groups jsonb not null,
    priority smallint not null,
    fair_rank bigint not null,                         -- place in the queue among all tenants; see chapter 5
    available_at timestamptz,                          -- null: now
    attempt int not null,
    max_attempts int not null,
    timeout_seconds int not null,
    fencing_token bigint,
    pod_id uuid,
    lease_expires_at timestamptz,                      -- in no index: a renewal is then a HOT update
    draft jsonb,
    output jsonb,
    error text,
    log_tail text,
    submitted_by text,
    created_at timestamptz not null,
    started_at timestamptz,
    finished_at timestamptz,
    limited boolean not null default false,            -- its tenant has max_running; see kernel.admit
    primary key (tenant_id, task_id),
    foreign key (tenant_id, proc_inst_id) references public.bpm_proc_inst
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_cost_delay = 0);

alter table public.todolist add column if not exists limited boolean not null default false;

-- due_at: when a person should have done it. delegated_by: to whom it returns when the assignee releases it.
alter table public.todolist
    add column if not exists due_at timestamptz,
    add column if not exists delegated_by text;

-- stopped: parked by a kill switch; see kernel.hold_back. cancelled_by: who cancelled it without its instance.
alter table public.todolist
    add column if not exists stopped boolean not null default false,
    add column if not exists cancelled_by text;

-- retry_policy: as the definition has it, null where it has none; see kernel.retry_policy. failed_attempts: array of
-- {attempt, counted, pod_id, started_at, ended_at, error_class, reason} since it was created or taken up, the first one
-- first. error_class: why it is FAILED.
alter table public.todolist
    add column if not exists retry_policy jsonb,
    add column if not exists failed_attempts jsonb not null default '[]',
    add column if not exists error_class text;
-- limits: what its activity allows it; see chapter 7. ran_seconds: how long its ended runs were in a pod.
alter table public.todolist
    add column if not exists limits jsonb,
    add column if not exists ran_seconds double precision not null default 0;

create unique index if not exists todolist_once_per_activity
    on public.todolist (tenant_id, proc_inst_id, activity_id, iteration) where proc_inst_id is not null;
create index if not exists todolist_ready
    on public.todolist (agent_orch, priority desc, fair_rank, task_id) where status = 'PENDING' and available_at is null;
drop index if exists public.todolist_queue;            -- priority was ascending
create index if not exists todolist_queue_of_tenant
    on public.todolist (agent_orch, tenant_id, priority, fair_rank) where status = 'PENDING' and available_at is null;
-- Every claim and every end prepares the predicate of each index anew, so these are few and short. Not ready: of a later
-- time; or parked (available_at = infinity) by a limit or, stopped, by a kill switch.
create index if not exists todolist_not_ready
    on public.todolist (available_at, stopped, tenant_id, priority desc, created_at, fair_rank)
    where status = 'PENDING' and available_at is not null;
create index if not exists todolist_of_limited on public.todolist (tenant_id, status, available_at) where limited;
drop index if exists public.todolist_scheduled, public.todolist_admitted, public.todolist_parked, public.todolist_stopped;
drop index if exists public.todolist_of_person;        -- no question could use it
create index if not exists todolist_running on public.todolist (fencing_token) where status = 'IN_PROGRESS';
create index if not exists todolist_needs_people
    on public.todolist (tenant_id, status, task_id) where status in ('TODO', 'FAILED');
create index if not exists todolist_due on public.todolist (due_at) where status = 'TODO' and due_at is not null;

-- The log of what happened outlives what it speaks of, so it has no foreign keys.
create table if not exists public.events (
    tenant_id text not null,
    event_id bigint generated always as identity,
    proc_inst_id uuid,
    task_id uuid,
    event_type public.event_type not null,
    actor text not null,                               -- pod:…, user:…, api_key:… or kernel
    message text,
    data jsonb,
    "timestamp" timestamptz not null,
    primary key (tenant_id, event_id)
);

create index if not exists events_of_instance
    on public.events (tenant_id, proc_inst_id, event_id) where proc_inst_id is not null;

-- One row per model or tool call. What calls share is stored once: request and response are skeletons whose parts are
-- in journal_blob and journal_list (see kernel/packing.py); kernel.whole_call puts them together again.
create table if not exists public.journal (
    tenant_id text not null,
    call_id bigint generated always as identity,
    proc_inst_id uuid,
    task_id uuid not null,
    attempt int not null,
    fencing_token bigint not null,
    kind public.call_kind not null,
    name text not null,                                -- the model or the tool
    request jsonb not null,
    response jsonb,
    outcome text not null,
    input_tokens int not null,
    output_tokens int not null,
    cost_usd numeric(14, 8),                           -- null: the price of the model is not known
    latency_ms int not null,
    "timestamp" timestamptz not null,
    primary key (tenant_id, call_id)
);

alter table public.journal add column if not exists request_parts jsonb not null default '[]';
alter table public.journal add column if not exists response_parts jsonb not null default '[]';
alter table public.journal add column if not exists call_key text;          -- sha256 of kind and canonical request
alter table public.journal add column if not exists occurrence int;         -- 1: the first call of this key in its task
alter table public.journal add column if not exists replayable boolean not null default false;
alter table public.journal drop constraint if exists journal_outcome_check, drop constraint if exists journal_outcomes;
do $$ begin
    if not exists (select from pg_catalog.pg_constraint c where c.conname = 'journal_call_outcomes'
                   and c.conrelid = 'public.journal'::regclass) then
        alter table public.journal add constraint journal_call_outcomes check (outcome in ('started', 'repeat', 'ok', 'error'));
    end if;
end $$;
-- Of a tool: whether doing it twice is doing it once, so that there is nothing to undo; null: not known.
alter table public.journal add column if not exists idempotent boolean;

create index if not exists journal_of_task on public.journal (tenant_id, task_id, call_id);
create unique index if not exists journal_call
    on public.journal (tenant_id, task_id, call_key, occurrence) where replayable;
create index if not exists journal_of_instance
    on public.journal (tenant_id, proc_inst_id, call_id) where proc_inst_id is not null;

-- What a running task waits for: the answer of a person, a time, or a person's word on a tool that may have run. The
-- answer is written into the journal as that of the call, so that the task finds it there when it runs again.
create table if not exists public.task_question (
    tenant_id text not null references public.tenants,
    question_id uuid not null,
    proc_inst_id uuid,
    task_id uuid not null,
    call_id bigint not null,
    kind text not null check (kind in ('person', 'timer', 'unknown_outcome')),
    question text not null,
    form jsonb,                                        -- JSON Schema of the answer; null: any
    assignee text,                                     -- null: the candidate groups, or anybody where there are none
    candidate_groups jsonb not null,
    due_at timestamptz,                                -- null: it waits for ever
    fails boolean not null,                            -- unanswered when it is due, the call fails
    status text not null check (status in ('open', 'answered', 'expired')),
    answer jsonb,
    answered_by text,
    created_at timestamptz not null,
    answered_at timestamptz,
    primary key (tenant_id, question_id),
    unique (tenant_id, task_id, call_id)
);

create index if not exists task_question_due on public.task_question (due_at) where status = 'open';
create index if not exists task_question_open on public.task_question (tenant_id, question_id) where status = 'open';

-- Content of requests and responses by its hash. parts: [{at: path, blob or list: hash}], to be put into body.
create table if not exists public.journal_blob (
    tenant_id text not null,
    hash bytea not null,                               -- sha256 of the whole value in canonical JSON
    body jsonb not null,
    parts jsonb not null,
    primary key (tenant_id, hash)
);

-- A list is known by its last node; each node names the one before it, so that a list that grew by one costs one row.
create table if not exists public.journal_list (
    tenant_id text not null,
    hash bytea not null,                               -- sha256 of the node before and of the item
    before bytea,                                      -- null: this is the first item
    blob bytea not null,
    primary key (tenant_id, hash)
);

create table if not exists public.notifications (
    tenant_id text not null references public.tenants,
    notify_id bigint generated always as identity,
    user_id text not null,                             -- a person's e-mail, or group:NAME
    proc_inst_id uuid,
    task_id uuid,
    type text not null,
    message text not null,
    read_flag boolean not null default false,
    created_at timestamptz not null,
    primary key (tenant_id, notify_id)
);

create index if not exists notifications_of_user on public.notifications (tenant_id, user_id, notify_id);
create index if not exists notifications_unread on public.notifications (tenant_id, user_id, notify_id) where not read_flag;

-- The list of types has grown, so the constraint is replaced where it is an older one.
do $$ begin
    if not exists (select from pg_catalog.pg_constraint c where c.conrelid = 'public.notifications'::regclass
                   and c.conname = 'notifications_type_check' and pg_get_constraintdef(c.oid) like '%TASK_OVERDUE%') then
        alter table public.notifications drop constraint if exists notifications_type_check;
        alter table public.notifications add constraint notifications_type_check check (type in (
            'TASK_ASSIGNED', 'TASK_REASSIGNED', 'TASK_DUE_SOON', 'TASK_OVERDUE', 'PROCESS_DONE', 'INCIDENT'));
    end if;
end $$;

-- Who was reminded of which time; another due_at is another reminder. Without foreign keys: they would be looked at
-- when a task ends.
create table if not exists public.task_reminder (
    tenant_id text not null,
    task_id uuid not null,
    type text not null,
    due_at timestamptz not null,
    primary key (tenant_id, task_id, type, due_at)
);

-- How a person wants to hear of what. user_id '*': whoever of the tenant has chosen nothing.
create table if not exists public.notification_preference (
    tenant_id text not null references public.tenants,
    user_id text not null,
    channels jsonb not null,                           -- {type: [email, fcm]}; a type that is missing: the default
    quiet jsonb,                                       -- {begin, end, time_zone}: nothing is sent between them
    email text,                                        -- where to write; null: user_id, where that is an address
    updated_at timestamptz not null,
    primary key (tenant_id, user_id)
);

create table if not exists public.device_token (
    tenant_id text not null references public.tenants,
    device_id uuid not null,
    user_id text not null,
    token text not null,                               -- Firebase's name for an app on a device
    platform text not null check (platform in ('android', 'ios', 'web')),
    registered_at timestamptz not null,
    primary key (tenant_id, device_id),
    unique (tenant_id, token)
);

create index if not exists device_token_of_user on public.device_token (tenant_id, user_id, registered_at);

create table if not exists public.webhook_endpoint (
    tenant_id text not null references public.tenants,
    endpoint_id uuid not null,
    url text not null,
    description text not null,
    types jsonb not null,                              -- of notifications, []: all; and MESSAGE, if it is there
    enabled boolean not null,
    disabled_reason text,
    secret text not null,                              -- whsec_…: what its messages are signed with
    created_at timestamptz not null,
    primary key (tenant_id, endpoint_id)
);

-- After a rotation messages are signed with the old secret too, until old_secret_until; then it is forgotten.
alter table public.webhook_endpoint
    add column if not exists old_secret text,
    add column if not exists old_secret_until timestamptz;

-- What has to leave the database, written in the transaction that gave rise to it, and sent at least once.
create table if not exists public.outbox (
    tenant_id text not null references public.tenants,
    outbox_id bigint generated always as identity,
    channel public.outbox_channel not null,
    destination text not null,                         -- an address, or the id of a webhook endpoint or a device
    payload jsonb not null,
    idempotency_key text not null check (length(idempotency_key) between 1 and 200),
    proc_inst_id uuid,
    task_id uuid,
    status public.outbox_status not null,
    attempts int not null,
    next_attempt_at timestamptz not null,              -- when it may be claimed; in SENDING: when its lease runs out
    fencing_token bigint,
    last_error text,
    created_at timestamptz not null,
    finished_at timestamptz,
    primary key (tenant_id, outbox_id),
    unique (tenant_id, idempotency_key)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);

create index if not exists outbox_open
    on public.outbox (channel, tenant_id, next_attempt_at) where status in ('PENDING', 'SENDING');
create index if not exists outbox_sending on public.outbox (channel, tenant_id) where status = 'SENDING';
create index if not exists outbox_age on public.outbox (created_at) where status in ('PENDING', 'SENDING');
create index if not exists outbox_finished on public.outbox (finished_at) where status in ('DELIVERED', 'DEAD');
create index if not exists outbox_dead on public.outbox (tenant_id, outbox_id) where status = 'DEAD';

create table if not exists public.documents (
    tenant_id text not null references public.tenants,
    doc_id uuid not null,
    proc_inst_id uuid,                                 -- the instance that made it; null: uploaded
    title text not null,
    source text,                                       -- where it came from; uploading the same source replaces it
    media_type text not null,
    content text not null,
    sources jsonb not null default '[]',               -- the citations of a document that an agent wrote
    created_by text not null,
    created_at timestamptz not null,
    primary key (tenant_id, doc_id),
    unique (tenant_id, source),
    foreign key (tenant_id, proc_inst_id) references public.bpm_proc_inst
);

alter table public.documents add column if not exists idempotency_key uuid;   -- of the tool call that made it
create unique index if not exists documents_once_per_call
    on public.documents (tenant_id, idempotency_key) where idempotency_key is not null;

create table if not exists public.document_chunk (
    tenant_id text not null,
    doc_id uuid not null,
    chunk int not null,
    heading text not null,
    content text not null,
    embedding_model text not null,
    embedding extensions.vector(1536) not null,
    words tsvector generated always as (to_tsvector('pg_catalog.english', heading || ' ' || content)) stored,
    primary key (tenant_id, doc_id, chunk),
    foreign key (tenant_id, doc_id) references public.documents on delete cascade
);

create index if not exists document_chunk_words on public.document_chunk using gin (words);

create table if not exists public.agent_profile (
    tenant_id text not null references public.tenants,
    agent_id text not null,
    name text not null,
    role text not null,
    goal text not null,
    persona text not null,
    model text,                                        -- null: the fleet's default model
    tools jsonb not null,                              -- names of the tools it may use; empty: all
    updated_at timestamptz not null,
    primary key (tenant_id, agent_id)
);

alter table public.agent_profile add column if not exists limits jsonb not null default '{}';   -- see chapter 7

-- The tool servers of a tenant. Its url may have a query and its headers hold credentials: both reach nobody but the
-- pod that holds one of the tenant's tasks, through task_mcp_servers.
create table if not exists public.mcp_server (
    tenant_id text not null references public.tenants,
    name text not null check (length(name) <= 32 and name ~ '^[A-Za-z0-9]+([_-][A-Za-z0-9]+)*$'),
    url text not null check (url ~ '^https?://'),
    description text not null,
    headers jsonb not null,                            -- {name: value}
    enabled boolean not null,
    allowed_tools jsonb not null,                      -- names at the server; []: all
    idempotent_tools jsonb not null,                   -- names of those that may run again with the same key
    timeout_seconds int not null check (timeout_seconds between 1 and 3600),
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (tenant_id, name)
);
create table if not exists public.agent_orch (
    id text primary key,                               -- the name that a definition uses; also the queue
    description text not null,
    first_seen_at timestamptz not null,
    last_seen_at timestamptz not null
);

-- A pod is known by its name and its boot: a restarted pod with the same name is another pod.
create table if not exists public.pod (
    pod_id uuid primary key,                           -- the boot id
    name text not null,
    serves jsonb not null,                             -- the orchestrators it runs
    address text,                                      -- where its health and metrics are
    status public.pod_status not null,
    started_at timestamptz not null,
    heartbeat_at timestamptz not null
);

-- What is waited for: by a token of an instance, or by a definition, whose newest version is started by it.
create table if not exists public.event_wait (
    tenant_id text not null references public.tenants,
    wait_id uuid not null,
    proc_inst_id uuid,                                 -- null: it starts an instance
    process_definition_id text not null,
    process_definition_version int not null,
    engine_token text,                                 -- the engine's name for who waits; null: the definition
    element_id text not null,
    kind text not null,
    once boolean not null,                             -- the first event ends the wait
    name text,                                         -- of the message or signal; of an error the error class
    correlation_key text,                              -- of the message; null where it starts an instance
    due_at timestamptz,                                -- null: no timer, or one that will not be due again
    repeat_every interval,
    repeats_left int,                                  -- null: for ever
    taken boolean not null default false,              -- a message is on its way to it
    revision int not null,                             -- of the instance, which opened it
    created_at timestamptz not null,
    primary key (tenant_id, wait_id),
    foreign key (tenant_id, proc_inst_id) references public.bpm_proc_inst on delete cascade,
    foreign key (tenant_id, process_definition_id, process_definition_version) references public.process_def
);

create index if not exists event_wait_due on public.event_wait (due_at) where due_at is not null;
create index if not exists event_wait_named on public.event_wait (tenant_id, kind, name, correlation_key)
    where name is not null;
create unique index if not exists event_wait_of_instance
    on public.event_wait (tenant_id, proc_inst_id, engine_token, element_id) where proc_inst_id is not null;
create index if not exists event_wait_of_definition
    on public.event_wait (tenant_id, process_definition_id) where proc_inst_id is null;

-- What has come for a wait and is not worked off yet; and messages that nothing waits for yet (wait_id null).
create table if not exists public.event_arrival (
    tenant_id text not null references public.tenants,
    arrival_id uuid not null,
    kind text not null,
    name text,
    correlation_key text,
    variables jsonb not null,
    initiator text not null,                           -- of an instance that it starts
    wait_id uuid,                                      -- no foreign key: the wait may be over before this is worked off
    expires_at timestamptz,                            -- of a message: until then it waits for somebody to wait for it
    claimed_until timestamptz not null,                -- whoever works it off has until then
    error text,                                        -- why the process cannot take it: an incident
    created_at timestamptz not null,
    primary key (tenant_id, arrival_id)
);

create index if not exists event_arrival_to_do
    on public.event_arrival (claimed_until) where wait_id is not null and error is null;
create index if not exists event_arrival_kept
    on public.event_arrival (tenant_id, name, correlation_key, arrival_id) where wait_id is null;
create index if not exists event_arrival_expiring on public.event_arrival (expires_at) where wait_id is null;

-- An error is the failure of the task that has the engine_token of the wait.
alter table public.event_wait drop constraint if exists event_wait_kind_check;
alter table public.event_arrival drop constraint if exists event_arrival_kind_check;
do $$ begin
    if not exists (select from pg_catalog.pg_constraint c where c.conname = 'event_wait_kinds'
                   and c.conrelid = 'public.event_wait'::regclass) then
        alter table public.event_wait
            add constraint event_wait_kinds check (kind in ('timer', 'message', 'signal', 'error'));
        alter table public.event_arrival
            add constraint event_arrival_kinds check (kind in ('timer', 'message', 'signal', 'error'));
    end if;
end $$;

-- Of an incident: where and when it was. proc_inst_id null: it should have started an instance.
alter table public.event_arrival
    add column if not exists proc_inst_id uuid,
    add column if not exists process_definition_id text,
    add column if not exists element_id text,
    add column if not exists failed_at timestamptz;
-- Of a message: the instance that threw it. Where nobody in the tenant takes it, it leaves by the outbox as well.
alter table public.event_arrival add column if not exists thrown_by uuid;
create index if not exists event_arrival_failed on public.event_arrival (tenant_id, arrival_id) where error is not null;

-- What an earlier release left.
update public.event_arrival a set proc_inst_id = w.proc_inst_id, process_definition_id = w.process_definition_id,
    element_id = w.element_id, failed_at = a.created_at
from public.event_wait w
where a.error is not null and a.failed_at is null and w.tenant_id = a.tenant_id and w.wait_id = a.wait_id;

-- What the steps of an instance were computed from, besides the outputs of its tasks, which are in todolist: so an
-- earlier state can be computed again. given: {kind: start, variables, event, payload}, {kind: event, token, element,
-- payload}, {kind: change, token, variables}, {kind: move, token, to, variables}, {kind: fork, state}.
create table if not exists public.step_input (
    tenant_id text not null,
    proc_inst_id uuid not null,
    revision int not null,                             -- that the step led to; 1: the start
    given jsonb not null,
    primary key (tenant_id, proc_inst_id, revision),
    foreign key (tenant_id, proc_inst_id) references public.bpm_proc_inst on delete cascade
);

create table if not exists public.idempotency_key (
    tenant_id text not null references public.tenants,
    key text not null check (length(key) between 1 and 200),
    fingerprint text not null,                         -- sha256 of what was asked
    proc_inst_id uuid,                                 -- null: of a task that stands alone
    task_id uuid,
    created_at timestamptz not null,
    primary key (tenant_id, key)
);

alter table public.idempotency_key add column if not exists answer jsonb;   -- of a deed that made no task or instance

-- While it is set, nothing of its scope is claimed; see kernel.hold_back.
create table if not exists public.kill_switch (
    switch_id uuid primary key,
    tenant_id text references public.tenants,          -- null: of the whole fleet
    scope text not null check (scope in ('fleet', 'tenant', 'orchestrator', 'agent')),
    key text not null,                                 -- the orchestrator or agent; else empty
    reason text not null,
    stops_running boolean not null,                    -- false: what runs may finish
    set_by text not null,
    set_at timestamptz not null,
    released_by text,
    released_at timestamptz
);

create unique index if not exists kill_switch_set
    on public.kill_switch (coalesce(tenant_id, ''), scope, key) where released_at is null;

-- What people added to the limits of a task, and which of them it was warned of.
create table if not exists public.task_limit (
    tenant_id text not null,
    task_id uuid not null,
    kind text not null,
    added numeric not null default 0,
    warned_at timestamptz,
    primary key (tenant_id, task_id, kind)
);

-- What a tenant's calls came to, for its budget. Many pods write at once: each to the shard of its claim.
create table if not exists public.tenant_spend (
    tenant_id text not null,
    day date not null,                                 -- of UTC
    shard smallint not null,
    tokens bigint not null,
    cost_usd numeric(20, 8) not null,
    primary key (tenant_id, day, shard)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);

-- Which budget a tenant was warned of.
create table if not exists public.budget_warning (
    tenant_id text not null,
    period text not null check (period in ('day', 'month')),
    begins_on date not null,
    kind text not null,
    warned_at timestamptz not null,
    primary key (tenant_id, period, begins_on, kind)
);

create sequence if not exists kernel.fencing_token;

-- Some sequences are used as registers, because a sequence is read without MVCC: their last_value costs the same
-- however many versions a long-open transaction keeps alive.
create sequence if not exists kernel.clock_offset_ms minvalue -9000000000000 start 0;
create sequence if not exists kernel.last_wake_ms minvalue 0 start 0;
create sequence if not exists kernel.last_notification_ms minvalue 0 start 0;
create sequence if not exists kernel.last_outbox_ms minvalue 0 start 0;
create sequence if not exists kernel.last_event_ms minvalue 0 start 0;
create sequence if not exists kernel.events_wanted_ms minvalue 0 start 0;  -- until when somebody follows events

create sequence if not exists kernel.delivery_token;

-- == 4. Clock and claims =============================================================================================

-- The time of everything in this file. Tests move it with kernel.set_clock; nobody else may. This and the next function
-- have no search_path of their own, so that the planner can put the expression where the call is.
create or replace function kernel.now() returns timestamptz
language sql volatile as $$
    select clock_timestamp() + coalesce(pg_sequence_last_value('kernel.clock_offset_ms'), 0) * interval '1 millisecond'
$$;

create or replace function kernel.set_clock(p_offset interval) returns setof timestamptz
language plpgsql volatile set search_path = '' as $$
begin
    perform setval('kernel.clock_offset_ms', (extract(epoch from p_offset) * 1000)::bigint);
    return query select kernel.now();
end $$;

-- A version 7 UUID (RFC 9562 section 5.7): ids in order of creation, so indexes stay dense and pages can be keyed by
-- id.
create or replace function kernel.new_id() returns uuid
language sql volatile as $$
    select encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
        placing substring(int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3)
        from 1 for 6), 52, 1), 53, 1), 'hex')::uuid
$$;

-- The verified claims of the caller: PostgREST and our programs set them in the transaction.
create or replace function kernel.claims() returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(nullif(current_setting('request.jwt.claims', true), ''), '{}')::jsonb
$$;

create or replace function kernel.tenant_id() returns text
language sql stable set search_path = '' as $$
    select coalesce(kernel.claims() ->> 'tenant_id', kernel.claims() -> 'app_metadata' ->> 'tenant_id')
$$;

-- DETAIL is the machine's word; where the caller should come back after some seconds it is "word;retry_after=SECONDS".
create or replace function kernel.refuse(p_sqlstate text, p_message text, p_detail text, p_hint text default '')
returns void language plpgsql set search_path = '' as $$
begin
    raise exception using errcode = p_sqlstate, message = p_message, detail = p_detail, hint = p_hint;
end $$;

create or replace function kernel.require_tenant() returns text
language plpgsql stable set search_path = '' as $$
declare
    v_tenant text := kernel.tenant_id();
begin
    if v_tenant is null then
        perform kernel.refuse('PT403', 'The credentials name no tenant.', 'tenant_missing',
                              'Use a token whose app_metadata holds tenant_id.');
    end if;
    return v_tenant;
end $$;

create or replace function kernel.actor() returns text
language sql stable set search_path = '' as $$
    select coalesce(kernel.claims() ->> 'actor', 'user:' || (kernel.claims() ->> 'email'),
                    'user:' || (kernel.claims() ->> 'sub'), 'kernel')
$$;

-- What PostgREST calls before each request (its setting db-pre-request). A program of ours comes with the service key,
-- who may read everything; it says in two headers which of our roles it wants to be, and on behalf of whom, and is held
-- by row-level security from there on. From anybody else the headers are refused.
create or replace function kernel.become_program() returns void
language plpgsql volatile set search_path = '' as $$
declare
    v_headers jsonb := coalesce(nullif(current_setting('request.headers', true), '')::jsonb, '{}');
    v_role text := v_headers ->> 'x-fleet-role';
begin
    if v_role is null and not v_headers ? 'x-fleet-claims' then
        return;
    end if;
    if current_user <> 'service_role' or v_role is null or v_role not in ('fleet_api', 'fleet_pod', 'fleet_deliver')
    then
        raise exception using errcode = 'PT403', detail = 'program_role',
            message = 'X-Fleet-Role and X-Fleet-Claims are for programs that have the service key.',
            hint = 'Leave them out, or use the service key and the role fleet_api, fleet_pod or fleet_deliver.';
    end if;
    perform set_config('request.jwt.claims', (coalesce(v_headers ->> 'x-fleet-claims', '{}')::jsonb)::text, true),
            set_config('role', v_role, true);
end $$;

create or replace function kernel.record_event(
    p_tenant_id text, p_proc_inst_id uuid, p_task_id uuid, p_type public.event_type, p_actor text, p_message text,
    p_data jsonb, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
begin
    insert into public.events (tenant_id, proc_inst_id, task_id, event_type, actor, message, data, "timestamp")
    values (p_tenant_id, p_proc_inst_id, p_task_id, p_type, p_actor, p_message, p_data, p_now);
end $$;

-- The data of an event of an attempt: {attempt, p_what: seconds}.
create or replace function kernel.timing(p_attempt int, p_what text, p_time interval) returns jsonb
language sql stable as $$
    select jsonb_build_object('attempt', p_attempt, p_what, round(extract(epoch from p_time), 3))
$$;

-- == 5. Queue ========================================================================================================
-- Order: priority (5 first), then fair_rank, then age. fair_rank is written at enqueue as in start-time fair queueing
-- (Goyal, Vin, Cheng 1996): a tenant's next task ranks one step behind its last one, but never before the queue's
-- head. So tenants take turns however many tasks each has, and a claim reads the head of one index.
--
-- A transaction that stays open anywhere keeps every index entry of a finished task alive, and a claim from the head would
-- walk over all of them. A session that meets many remembers, for each place where it looks (a priority of a queue), the
-- rank below which it has seen nothing left (its floor) and starts there. A lower rank can still come (committed late,
-- handed back), so with every upkeep it looks again from the very head.

create or replace function kernel.rank_of(p_time timestamptz) returns bigint
language sql stable as $$
    select (extract(epoch from p_time) * 1000000000)::bigint
$$;

-- How long the runs of a task were in a pod, with the one that ends at p_until.
create or replace function kernel.ran_seconds(p_task public.todolist, p_until timestamptz) returns double precision
language sql immutable set search_path = '' as $$
    select p_task.ran_seconds + greatest(coalesce(extract(epoch from p_until - p_task.started_at), 0), 0)
$$;

-- How far apart the ranks of a tenant's tasks are: of a tenant with weight 2 twice as many fit between two of others.
create or replace function kernel.rank_step(p_tenant_id text) returns bigint
language sql stable set search_path = '' as $$
    select (1000 / t.weight)::bigint from public.tenants t where t.tenant_id = p_tenant_id
$$;

-- The rank of a tenant's next task. fleet.enqueue_floors: {"at": seconds, "PRIORITY QUEUE": floor ...}.
create or replace function kernel.fair_rank(p_tenant_id text, p_queue text, p_priority int, p_now timestamptz)
returns bigint language plpgsql volatile set search_path = '' as $$
declare
    v_floors jsonb := nullif(current_setting('fleet.enqueue_floors', true), '')::jsonb;
    v_key text := p_priority || ' ' || p_queue;
    v_head bigint;
    v_last bigint;
begin
    if v_floors is null or abs(extract(epoch from p_now) - (v_floors ->> 'at')::numeric) > 2 then
        v_floors := jsonb_build_object('at', extract(epoch from p_now));
    end if;
    select t.fair_rank into v_head from public.todolist t
    where t.status = 'PENDING' and t.available_at is null and t.agent_orch = p_queue and t.priority = p_priority
      and t.fair_rank >= coalesce((v_floors ->> v_key)::bigint, 0)
    order by t.fair_rank limit 1;
    v_floors := v_floors || jsonb_build_object(v_key, coalesce(v_head, kernel.rank_of(p_now - interval '50 ms')));
    perform set_config('fleet.enqueue_floors', v_floors::text, false);
    if v_head is null then
        return kernel.rank_of(p_now);
    end if;
    select t.fair_rank into v_last from public.todolist t
    where t.status = 'PENDING' and t.available_at is null and t.agent_orch = p_queue and t.tenant_id = p_tenant_id
      and t.priority = p_priority and t.fair_rank >= v_head
    order by t.fair_rank desc limit 1;
    return greatest(v_head, coalesce(v_last + kernel.rank_step(p_tenant_id), 0));
end $$;

-- Wakes listening pods, at most once in 50 ms, or in 5 ms where the queue was empty: NOTIFY takes a global lock at
-- commit.
create or replace function kernel.wake(p_was_empty boolean) returns void
language plpgsql volatile set search_path = '' as $$
declare
    v_ms bigint := extract(epoch from clock_timestamp()) * 1000;
    v_distance int := case when p_was_empty then 5 else 50 end;
begin
    if v_ms - (select last_value from kernel.last_wake_ms) >= v_distance then
        perform setval('kernel.last_wake_ms', v_ms);
        perform pg_notify('fleet_tasks', '');
    end if;
end $$;

drop function if exists kernel.lock_next(jsonb, boolean, timestamptz);
drop function if exists kernel.place(int, int, int);
drop function if exists kernel.floor_of(int);
drop function if exists kernel.upkeep_is_due(bigint, int);
drop function if exists kernel.upkeep_done(bigint, bigint);
drop function if exists kernel.remembered(text);
drop function if exists kernel.queue_of(int, int);
drop function if exists kernel.priority_of(int, int);
drop function if exists kernel.first_look(int);
drop function if exists kernel.floor_of(int, int);
drop function if exists kernel.remember(tid, bigint, int, int);
drop function if exists kernel.goes_by_floors(jsonb);
do $$ begin                                            -- it told whether something was due
    if to_regprocedure('kernel.upkeep(jsonb, timestamptz)')::oid in (
        select p.oid from pg_catalog.pg_proc p where p.prorettype = 'boolean'::regtype) then
        drop function kernel.upkeep(jsonb, timestamptz);
    end if;
end $$;

-- What a session remembers between claims, in one array: [1] the hash of its queues, for which the rest is valid;
-- [2] when its upkeep was, [3] how long that rests and [4] until when it holds, see kernel.upkeep; [5] the queue to begin
-- with; from [6] on the floors, first of priority 5 and there of each queue. A session with one queue that meets few
-- dead entries, and few pages of them, has no floors and claims from the head.
create or replace function kernel.memory() returns bigint[]
language sql stable as $$
    select nullif(current_setting('fleet.memory', true), '')::bigint[]
$$;

create or replace function kernel.statement_ms() returns bigint
language sql stable as $$
    select floor(date_part('epoch', statement_timestamp()) * 1000)::bigint
$$;

-- A task above the floors, locked; null: there is none. Queues take turns: in each priority the one after the queue that
-- was served last comes first.
create or replace function kernel.task_above_floors(p_queues jsonb, p_memory bigint[]) returns tid
language plpgsql volatile as $$
declare
    v_queues int := jsonb_array_length(p_queues);
    v_found tid;
    v_rank bigint;
    v_look int;
    v_queue int;
begin
    select head.ctid, head.fair_rank, look into v_found, v_rank, v_look
    from generate_series(0, 5 * v_queues - 1) look, lateral (
        select t.ctid, t.fair_rank from public.todolist t
        where t.status = 'PENDING' and t.available_at is null and t.priority = 5 - look / v_queues
          and t.agent_orch = p_queues ->> ((look + p_memory[5]) % v_queues)::int
          and t.fair_rank >= p_memory[6 + look / v_queues * v_queues + (look + p_memory[5]) % v_queues]
        order by t.fair_rank, t.task_id limit 1 for no key update skip locked) head
    limit 1;
    if found then
        v_queue := (v_look + p_memory[5]) % v_queues;
        p_memory[5] := (v_queue + 1) % v_queues;
        p_memory[6 + v_look / v_queues * v_queues + v_queue] := v_rank;
        perform set_config('fleet.memory', p_memory::text, false);
    end if;
    return v_found;
end $$;

-- Priorities must not starve: of the tasks that have waited a minute, the first of the lowest priority. Locked; null:
-- there is none.
create or replace function kernel.neglected_task(p_queues jsonb, p_memory bigint[], p_now timestamptz) returns tid
language plpgsql volatile as $$
declare
    v_queues int := jsonb_array_length(p_queues);
begin
    return (select head.ctid from generate_series(5 * v_queues - 1, v_queues, -1) place, lateral (
        select t.ctid from public.todolist t
        where t.status = 'PENDING' and t.available_at is null and t.agent_orch = p_queues ->> place % v_queues
          and t.priority = 5 - place / v_queues and t.fair_rank >= coalesce(p_memory[6 + place], 0)
          and t.fair_rank < kernel.rank_of(p_now - interval '1 minute')
        order by t.fair_rank, t.task_id limit 1 for no key update skip locked) head limit 1);
end $$;

-- A tenant with max_running has its tasks parked (available_at = infinity) until one of its places is free: a place is
-- taken by a task that runs or may be claimed, so the claim needs no look at limits. The tenant's row is the lock under
-- which places are counted. Returns how many tasks were admitted.
create or replace function kernel.admit(p_tenant_id text, p_now timestamptz) returns int
language plpgsql volatile set search_path = '' as $$
declare
    v_places int;
    v_admitted int := 0;
    v_task_id uuid;
begin
    perform kernel.any_switch_is_set();                -- none is set while tasks are admitted
    select t.max_running into v_places from public.tenants t where t.tenant_id = p_tenant_id for no key update;
    v_places := v_places - (select count(*) from (select from public.todolist t
        where t.tenant_id = p_tenant_id and t.limited
          and t.status in ('IN_PROGRESS', 'PENDING') and t.available_at is null limit v_places) taken);
    if coalesce(v_places, 1) <= 0 then
        return 0;
    end if;
    for v_task_id in
        select p.task_id from public.todolist p
        where p.tenant_id = p_tenant_id and p.limited and p.status = 'PENDING' and p.available_at = 'infinity'
          and not p.stopped and not kernel.is_stopped(p.tenant_id, p.agent_orch, p.agent_id)
        order by p.priority desc, p.created_at, p.fair_rank limit v_places for no key update skip locked
    loop
        update public.todolist t set available_at = null,
            fair_rank = kernel.fair_rank(t.tenant_id, t.agent_orch, t.priority, p_now)
        where t.tenant_id = p_tenant_id and t.task_id = v_task_id;
        v_admitted := v_admitted + 1;
    end loop;
    if v_admitted > 0 then
        perform kernel.wake(true);
    end if;
    return v_admitted;
end $$;

-- How many tasks of a tenant wait: those that may be claimed, those that are parked, and, among the next thousand of the
-- fleet, those that wait for the time of their next attempt. Counting stops at p_most.
-- stopped or not is both, and said so that the index leads to the tenant.
create or replace function kernel.count_waiting(p_tenant_id text, p_most int) returns int
language sql stable set search_path = '' set enable_seqscan = off set enable_bitmapscan = off as $$
    select count(*)::int from (
        (select from public.agent_orch o cross join lateral (
            select from public.todolist t
            where t.status = 'PENDING' and t.available_at is null and t.agent_orch = o.id and t.tenant_id = p_tenant_id
            limit p_most) ready)
        union all
        (select from public.todolist t
         where t.status = 'PENDING' and t.available_at = 'infinity' and t.stopped in (false, true)
           and t.tenant_id = p_tenant_id)
        union all
        (select from (select t.tenant_id from public.todolist t
                      where t.status = 'PENDING' and t.available_at is not null and t.available_at < 'infinity'
                      order by t.available_at limit 1000) retried
         where retried.tenant_id = p_tenant_id)
        limit p_most) waiting
$$;

-- How many tasks of a tenant leave the queues per second: what its pods ended less what those ends brought, by its
-- newest 2000 events of the last minute.
create or replace function kernel.drain_rate(p_tenant_id text, p_now timestamptz) returns double precision
language sql stable set search_path = '' as $$
    select (count(*) filter (where e.event_type in ('TASK_COMPLETED', 'TASK_DRAFTED', 'INCIDENT') and e.is_recent)
            - count(*) filter (where e.event_type = 'TASK_CREATED' and e.data ->> 'queue' is not null and e.is_recent))
           / case when count(*) < 2000 then 60
                  else greatest(1, least(60, extract(epoch from p_now - min(e."timestamp")))) end::double precision
    from (select n.event_type, n.data, n."timestamp", n."timestamp" > p_now - interval '1 minute'
                 and (n.actor like 'pod:%' or n.event_type = 'INCIDENT') as is_recent
          from public.events n where n.tenant_id = p_tenant_id order by n.event_id desc limit 2000) e
$$;

-- Refuses new work that would make more tasks wait than the tenant may have. What running instances make as they move on
-- is never refused. p_binding: the tasks are inserted in this transaction; then, close to the limit, one transaction
-- counts after the other. A session that found much room does not count again for a second.
create or replace function kernel.require_room(
    p_tenant_id text, p_new int, p_binding boolean, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
declare
    v_most int := (select t.max_waiting from public.tenants t where t.tenant_id = p_tenant_id);
    v_ms bigint := kernel.statement_ms();
    v_roomy jsonb := coalesce(nullif(current_setting('fleet.roomy', true), '')::jsonb, '{"at": 0}');
    v_waiting int;
begin
    if v_most is null or p_new = 0 then
        return;
    end if;
    if p_new > v_most then
        perform kernel.refuse('PT422', format('This makes %s tasks at once, and max_waiting of the tenant is %s.', p_new,
            v_most), 'max_waiting', 'Start less at once, or ask the operator for a higher max_waiting.');
    end if;
    if v_ms - (v_roomy ->> 'at')::bigint not between 0 and 999 then
        v_roomy := jsonb_build_object('at', v_ms);
    end if;
    if v_roomy ? p_tenant_id then
        return;
    end if;
    v_waiting := kernel.count_waiting(p_tenant_id, v_most + 1000);
    if p_binding and v_waiting + p_new between v_most - 100 and v_most then
        perform pg_advisory_xact_lock(hashtextextended('waiting ' || p_tenant_id, 0));
        v_waiting := kernel.count_waiting(p_tenant_id, v_most + 1000);
    end if;
    if v_waiting + p_new > v_most then
        perform kernel.refuse_full(p_tenant_id, v_waiting, p_new, v_most, p_now);
    elsif v_most - v_waiting - p_new > 5000 then
        perform set_config('fleet.roomy', (v_roomy || jsonb_build_object(p_tenant_id, true))::text, false);
    end if;
end $$;

-- After a minute where nothing was ended in the last one; never more than an hour.
create or replace function kernel.refuse_full(
    p_tenant_id text, p_waiting int, p_new int, p_most int, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
declare
    v_rate double precision := kernel.drain_rate(p_tenant_id, p_now);
    v_seconds int := case when v_rate > 0 then least(3600, greatest(1, ceil((p_waiting + p_new - p_most) / v_rate)))
                          else 60 end;
begin
    perform kernel.refuse('PT429', format('%s tasks of the tenant wait, %s more are too many: its max_waiting is %s.',
        p_waiting, p_new, p_most), format('queue_full;retry_after=%s', v_seconds),
        format('Try again in %s seconds, or ask the operator for a higher max_waiting.', v_seconds));
end $$;

-- How many of p_tasks (see kernel.insert_tasks) are for agents.
create or replace function kernel.count_agents_tasks(p_tasks jsonb) returns int
language sql immutable set search_path = '' as $$
    select count(*)::int from jsonb_array_elements(p_tasks) t where t ->> 'agent_orch' is not null
$$;

-- A kill switch parks what it is about outside the queue's index (available_at = infinity, stopped), so the claim needs
-- no look at switches. Whoever makes a task claimable calls kernel.hold_back in the same transaction, under a lock that
-- they share and that setting a switch takes alone: so either the switch finds the task, or the task finds the switch.
-- A stopped task is not limited; what it is afterwards is decided when it is resumed. The sweep is the net.
create or replace function kernel.switch_lock() returns bigint
language sql immutable as $$
    select 7346102::bigint
$$;

-- Whether any switch is set. No other is set or released until the end of the transaction.
create or replace function kernel.any_switch_is_set() returns boolean
language plpgsql volatile set search_path = '' as $$
begin
    perform pg_advisory_xact_lock_shared(kernel.switch_lock());
    return exists (select from public.kill_switch s where s.released_at is null);
end $$;

create or replace function kernel.is_in_scope(
    p_switch public.kill_switch, p_tenant_id text, p_queue text, p_agent_id text)
returns boolean language sql immutable as $$
    select (p_switch.tenant_id is null or p_switch.tenant_id = p_tenant_id)
       and case p_switch.scope when 'orchestrator' then p_queue = p_switch.key
                               when 'agent' then coalesce(p_agent_id = p_switch.key, false) else true end
$$;

create or replace function kernel.is_stopped(p_tenant_id text, p_queue text, p_agent_id text) returns boolean
language sql stable set search_path = '' as $$
    select exists (select from public.kill_switch s
                   where s.released_at is null and kernel.is_in_scope(s, p_tenant_id, p_queue, p_agent_id))
$$;

-- Parks a task that is about to be claimable where a switch is set for it; false: there is none.
create or replace function kernel.hold_back(p_task public.todolist) returns boolean
language plpgsql volatile set search_path = '' as $$
begin
    if not (kernel.any_switch_is_set() and kernel.is_stopped(p_task.tenant_id, p_task.agent_orch, p_task.agent_id)) then
        return false;
    end if;
    update public.todolist t set stopped = true, limited = false, available_at = 'infinity'
    where t.tenant_id = p_task.tenant_id and t.task_id = p_task.task_id;
    return true;
end $$;

-- Parks at most p_limit tasks of a switch, those first that would be claimed first, and takes running ones back. What
-- somebody holds at this moment is left to the next call. Those that wait for the time of their next attempt are parked
-- when it comes.
create or replace function kernel.enforce_switch(
    p_switch public.kill_switch, p_limit int, p_now timestamptz, out parked int, out stopped int)
language plpgsql volatile set search_path = '' as $$
begin
    update public.todolist t set stopped = true, limited = false, available_at = 'infinity'
    where (t.tenant_id, t.task_id) in (
        select h.tenant_id, h.task_id
        from public.tenants n cross join public.agent_orch o cross join lateral (
            select q.tenant_id, q.task_id from public.todolist q
            where q.status = 'PENDING' and q.available_at is null and q.agent_orch = o.id and q.tenant_id = n.tenant_id
              and (p_switch.scope <> 'agent' or q.agent_id = p_switch.key)
            order by q.priority desc, q.fair_rank limit p_limit for no key update skip locked) h
        where (p_switch.tenant_id is null or n.tenant_id = p_switch.tenant_id)
          and (p_switch.scope <> 'orchestrator' or o.id = p_switch.key)
        limit p_limit);
    get diagnostics parked = row_count;
    if parked = 0 then
        update public.todolist t set stopped = true, limited = false
        where (t.tenant_id, t.task_id) in (
            select q.tenant_id, q.task_id from public.todolist q
            where q.limited and q.status = 'PENDING' and q.available_at = 'infinity' and not q.stopped
              and kernel.is_in_scope(p_switch, q.tenant_id, q.agent_orch, q.agent_id)
            limit p_limit for no key update skip locked);
        get diagnostics parked = row_count;
    end if;
    stopped := kernel.take_back(p_switch, p_limit, p_now);
end $$;

-- Takes running tasks from their pods: all where the switch says so, else those that were claimed after it was set and
-- before they were parked. They are parked, the attempt does not count, and the pods are woken to see it.
create or replace function kernel.take_back(p_switch public.kill_switch, p_limit int, p_now timestamptz) returns int
language plpgsql volatile set search_path = '' as $$
declare
    v_task public.todolist;
    v_stopped int := 0;
begin
    for v_task in
        select t.* from public.todolist t
        where t.status = 'IN_PROGRESS' and kernel.is_in_scope(p_switch, t.tenant_id, t.agent_orch, t.agent_id)
          and (p_switch.stops_running or t.started_at > p_switch.set_at)
        limit p_limit for no key update skip locked
    loop
        update public.todolist t set status = 'PENDING', attempt = t.attempt - 1, lease_expires_at = null,
            stopped = true, limited = false, available_at = 'infinity',
            ran_seconds = kernel.ran_seconds(t, p_now)
        where t.tenant_id = v_task.tenant_id and t.task_id = v_task.task_id;
        perform kernel.record_event(v_task.tenant_id, v_task.proc_inst_id, v_task.task_id, 'TASK_RELEASED',
            p_switch.set_by, p_switch.reason, jsonb_build_object('kill_switch', p_switch.switch_id), p_now);
        perform pg_notify('fleet_cancel', v_task.pod_id::text);
        v_stopped := v_stopped + 1;
    end loop;
    return v_stopped;
end $$;

-- Gives back to the queue at most p_limit tasks that no switch stops any more; p_tenant_id null: of all tenants.
create or replace function kernel.resume(p_tenant_id text, p_limit int, p_now timestamptz) returns int
language plpgsql volatile set search_path = '' as $$
declare
    v_task public.todolist;
    v_limited boolean;
    v_resumed int := 0;
begin
    for v_task in
        select t.* from public.todolist t
        where t.stopped and t.status = 'PENDING' and t.available_at = 'infinity'
          and (p_tenant_id is null or t.tenant_id = p_tenant_id)
          and not kernel.is_stopped(t.tenant_id, t.agent_orch, t.agent_id)
        order by t.tenant_id, t.priority desc, t.created_at, t.fair_rank limit p_limit for no key update skip locked
    loop
        v_limited := (select n.max_running is not null from public.tenants n where n.tenant_id = v_task.tenant_id);
        update public.todolist t set stopped = false, limited = v_limited,
            available_at = case when v_limited then 'infinity'::timestamptz end,
            fair_rank = kernel.fair_rank(t.tenant_id, t.agent_orch, t.priority, p_now)
        where t.tenant_id = v_task.tenant_id and t.task_id = v_task.task_id;
        v_resumed := v_resumed + 1;
    end loop;
    if v_resumed > 0 then
        perform kernel.wake(true);
    end if;
    return v_resumed;
end $$;

-- The net: parks what a switch that was set a moment ago has missed; once a minute (p_all) for every switch, and gives
-- back what none stops any more.
create or replace function kernel.tend_switches(p_all boolean, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
declare
    v_switch public.kill_switch;
begin
    for v_switch in
        select s.* from public.kill_switch s
        where s.released_at is null and (p_all or s.set_at > p_now - interval '10 seconds')
    loop
        perform kernel.enforce_switch(v_switch, 500, p_now);
    end loop;
    if p_all then
        perform kernel.resume(null, 500, p_now);
    end if;
end $$;

-- An event in the tenant of a switch; one of the fleet is told to every tenant.
create or replace function kernel.record_switch(
    p_switch public.kill_switch, p_type public.event_type, p_actor text, p_data jsonb, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
begin
    perform kernel.record_event(n.tenant_id, null, null, p_type, p_actor, p_switch.reason, jsonb_build_object(
        'kill_switch', p_switch.switch_id, 'scope', p_switch.scope, 'key', p_switch.key) || p_data, p_now)
    from public.tenants n where p_switch.tenant_id is null or n.tenant_id = p_switch.tenant_id;
end $$;

-- Waits at most two seconds for those who are making tasks claimable; longer ones are left to the net.
create or replace function kernel.lock_switches() returns void
language plpgsql volatile set search_path = '' set lock_timeout = '2s' as $$
begin
    perform pg_advisory_xact_lock(kernel.switch_lock());
exception when lock_not_available then
    raise log 'a kill switch does not wait for a transaction that is open for more than two seconds';
end $$;

-- Sets a switch; kernel.enforce_switch makes it true for what is there already. p_tenant_id null: of the whole fleet.
create or replace function kernel.set_switch(
    p_tenant_id text, p_scope text, p_key text, p_reason text, p_stops_running boolean, p_actor text)
returns setof public.kill_switch
language plpgsql volatile set search_path = '' as $$
declare
    v_now timestamptz := kernel.now();
    v_switch public.kill_switch;
begin
    perform kernel.lock_switches();
    insert into public.kill_switch (switch_id, tenant_id, scope, key, reason, stops_running, set_by, set_at)
    values (kernel.new_id(), p_tenant_id, p_scope, p_key, p_reason, p_stops_running, p_actor, v_now)
    on conflict do nothing returning * into v_switch;
    if not found then
        perform kernel.refuse('PT409', format('A kill switch for %s is set already.', trim(p_scope || ' ' || p_key)),
                              'kill_switch_set', 'Release it first, or leave it.');
    end if;
    perform kernel.record_switch(v_switch, 'KILL_SWITCH_SET', p_actor,
                                 jsonb_build_object('stops_running', p_stops_running), v_now);
    return next v_switch;
end $$;

-- Ends a switch; kernel.resume gives back what it had parked.
create or replace function kernel.end_switch(p_switch_id uuid, p_actor text) returns setof public.kill_switch
language plpgsql volatile set search_path = '' as $$
declare
    v_now timestamptz := kernel.now();
    v_switch public.kill_switch;
begin
    perform kernel.lock_switches();
    update public.kill_switch s set released_by = p_actor, released_at = v_now
    where s.switch_id = p_switch_id and s.released_at is null
    returning * into v_switch;
    if not found then
        perform kernel.refuse('PT409', format('Kill switch %s is released already.', p_switch_id),
                              'kill_switch_released', 'GET /kill-switches lists them.');
    end if;
    perform kernel.record_switch(v_switch, 'KILL_SWITCH_RELEASED', p_actor, '{}', v_now);
    return next v_switch;
end $$;

-- What a switch would stop now; nothing but an event is written. task_ids: at most 500, running ones first.
create or replace function kernel.drill_switch(
    p_tenant_id text, p_scope text, p_key text, p_reason text, p_actor text)
returns table (running bigint, waiting bigint, task_ids jsonb)
language plpgsql volatile set search_path = '' as $$
#variable_conflict use_column
declare
    v_switch public.kill_switch;
begin
    v_switch.tenant_id := p_tenant_id;
    v_switch.scope := p_scope;
    v_switch.key := p_key;
    v_switch.reason := p_reason;
    with hit as materialized (
        select t.task_id, t.status from public.todolist t
        where (t.status = 'IN_PROGRESS' or t.status = 'PENDING' and not t.stopped)
          and kernel.is_in_scope(v_switch, t.tenant_id, t.agent_orch, t.agent_id)
    )
    select count(*) filter (where h.status = 'IN_PROGRESS'), count(*) filter (where h.status = 'PENDING'),
           coalesce((select jsonb_agg(f.task_id) from (select i.task_id from hit i
                     order by i.status <> 'IN_PROGRESS', i.task_id limit 500) f), '[]')
    into running, waiting, task_ids from hit h;
    perform kernel.record_switch(v_switch, 'KILL_SWITCH_DRILLED', p_actor,
                                 jsonb_build_object('running', running, 'waiting', waiting), kernel.now());
    return next;
end $$;

-- The net under kernel.admit: gives free places to the parked tasks of every tenant, one index probe per such tenant.
create or replace function kernel.admit_parked(p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
declare
    v_tenant text := '';
begin
    loop
        select p.tenant_id into v_tenant from public.todolist p
        where p.limited and p.status = 'PENDING' and p.available_at = 'infinity' and not p.stopped
          and p.tenant_id > v_tenant
        order by p.tenant_id limit 1;
        exit when v_tenant is null;
        if exists (select from public.tenants t where t.tenant_id = v_tenant for no key update skip locked) then
            perform kernel.admit(v_tenant, p_now);
        end if;
    end loop;
end $$;

-- Upkeep in the claim path of every pod: retries whose time has come, and leases that ran out.
-- Fencing tokens only grow, so below the lowest one still running there is nothing to find; 1000 covers claims that
-- are not committed yet, and once a minute it looks from the first on.
create or replace function kernel.sweep(p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
declare
    v_ms bigint := (date_part('epoch', clock_timestamp()) * 1000)::bigint;
    v_floor bigint := coalesce(nullif(current_setting('fleet.sweep_floor', true), ''), '0')::bigint;
    v_all_ms bigint := coalesce(nullif(current_setting('fleet.swept_all_ms', true), ''), '0')::bigint;
    v_all boolean := v_ms - v_all_ms not between 0 and 60000;
    v_task public.todolist;
begin
    if v_all then
        v_floor := 0;
        perform set_config('fleet.swept_all_ms', v_ms::text, false);
    end if;
    for v_task in
        select t.* from public.todolist t
        where t.status = 'PENDING' and t.available_at is not null and t.available_at <= p_now
        order by t.available_at limit 100 for no key update skip locked
    loop
        continue when kernel.hold_back(v_task);
        update public.todolist t set available_at = case when t.limited then 'infinity'::timestamptz end,
            fair_rank = kernel.fair_rank(t.tenant_id, t.agent_orch, t.priority, p_now)
        where t.tenant_id = v_task.tenant_id and t.task_id = v_task.task_id;
    end loop;
    perform kernel.admit_parked(p_now);
    perform kernel.tend_switches(v_all, p_now);
    perform kernel.expire_questions(p_now);
    for v_task in
        select t.* from public.todolist t
        where t.status = 'IN_PROGRESS' and t.fencing_token >= v_floor and t.lease_expires_at < p_now
        order by t.fencing_token limit 20 for no key update skip locked
    loop
        perform kernel.reclaim(v_task, p_now);
    end loop;
    perform set_config('fleet.sweep_floor', greatest(0, coalesce(
        (select t.fencing_token from public.todolist t
         where t.status = 'IN_PROGRESS' and t.fencing_token >= v_floor order by t.fencing_token limit 1),
        (select last_value from kernel.fencing_token)) - 1000)::text, false);
end $$;

-- What this session has read of the queue: entries, and pages, each of which counts as two. Entries that are known to be
-- dead are passed over unread, but the pages that are full of them are not. Since the session last told the server's
-- statistics, so only a difference says something.
create or replace function kernel.queue_read() returns bigint
language sql volatile as $$
    select coalesce(pg_stat_get_xact_tuples_returned('public.todolist_ready'::regclass), 0)
           + 2 * coalesce(pg_stat_get_xact_blocks_fetched('public.todolist_ready'::regclass), 0)
$$;
drop function if exists kernel.queue_entries_read();   -- it did not count pages

-- Upkeep: the sweep, and new floors from the very heads. It is due each second, and for a pod that finds nothing at
-- once; but the more it had to read, the longer it rests (a quarter of a million a second), so that it stays
-- cheap while a transaction keeps dead ones alive. Other queues than the last time need new floors in any case.
-- Returns what is to be remembered; null: nothing was due.
create or replace function kernel.upkeep(p_queues jsonb, p_now timestamptz) returns bigint[]
language plpgsql volatile set search_path = '' as $$
declare
    v_memory bigint[] := kernel.memory();
    v_ms bigint := kernel.statement_ms();
    v_read bigint := kernel.queue_read();
    v_due boolean := v_ms - coalesce(v_memory[2], 0) not between 0 and coalesce(v_memory[3], 0) - 1;
    v_queues int := jsonb_array_length(p_queues);
    v_same boolean := coalesce(v_memory[1] = jsonb_hash_extended(p_queues, 0), false);
    v_floors bigint[];
begin
    if p_queues = '[]' or v_same and not v_due then
        return null;
    end if;
    if v_due then
        perform kernel.sweep(p_now);
    end if;
    v_floors := array(
        select coalesce(
            (select t.fair_rank from public.todolist t
             where t.status = 'PENDING' and t.available_at is null and t.agent_orch = p_queues ->> place % v_queues
               and t.priority = 5 - place / v_queues
             order by t.fair_rank, t.task_id limit 1), kernel.rank_of(p_now - interval '50 ms'))
        from generate_series(0, 5 * v_queues - 1) place order by place);
    v_read := kernel.queue_read() - v_read;
    v_memory := array[jsonb_hash_extended(p_queues, 0), v_memory[2], v_memory[3], v_memory[4],
                      case when v_same then v_memory[5] else 0 end];
    if v_queues > 1 or v_read > 100 then
        v_memory := v_memory || v_floors;
    end if;
    if v_due then
        v_memory[2:4] := array[v_ms, v_read / 250, v_ms + greatest(v_read / 250, 1000)];
    end if;
    perform set_config('fleet.memory', v_memory::text, false);
    return v_memory;
end $$;

-- A lease ran out: the attempt counts. The instance is locked before the task's end is written (everybody locks the
-- instance first); where somebody holds it, the next sweep does it.
create or replace function kernel.reclaim(p_task public.todolist, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
declare
    v_reason text := format('worker lost: pod %s stopped renewing its lease in attempt %s of %s',
                            p_task.pod_id, p_task.attempt, p_task.max_attempts);
    v_delay interval := (kernel.next_attempt(p_task, 'worker_lost', null)).delay;
begin
    if v_delay is not null then
        update public.todolist t set status = 'PENDING', lease_expires_at = null, error = v_reason,
            failed_attempts = t.failed_attempts || kernel.failed_attempt(p_task, 'worker_lost', v_reason, true, p_now),
            available_at = case when v_delay > interval '0' then p_now + v_delay else t.available_at end,
            ran_seconds = kernel.ran_seconds(t, t.lease_expires_at),
            fair_rank = kernel.fair_rank(t.tenant_id, t.agent_orch, t.priority, p_now)
        where t.tenant_id = p_task.tenant_id and t.task_id = p_task.task_id;
        perform kernel.record_event(p_task.tenant_id, p_task.proc_inst_id, p_task.task_id, 'TASK_RECLAIMED',
            'kernel', v_reason, jsonb_build_object('attempt', p_task.attempt, 'error_class', 'worker_lost',
                                                   'available_at', p_now + v_delay), p_now);
        if v_delay = interval '0' and not kernel.hold_back(p_task) then
            perform kernel.wake(true);
        end if;
        return;
    end if;
    if p_task.proc_inst_id is not null then
        perform from public.bpm_proc_inst i where i.tenant_id = p_task.tenant_id and i.id = p_task.proc_inst_id
        for no key update skip locked;
        if not found then
            return;
        end if;
    end if;
    perform kernel.fail_task(p_task, v_reason, null, null, p_now, 'worker_lost');
end $$;

-- == 6. Tasks and steps ==============================================================================================

-- Tells the people of a task that waits for one. kernel.notify is in chapter 10.
drop function if exists kernel.notify_people(public.todolist, timestamptz);
create or replace function kernel.notify_people(
    p_task public.todolist, p_now timestamptz, p_type text default 'TASK_ASSIGNED') returns void
language plpgsql volatile set search_path = '' as $$
begin
    perform kernel.notify(p_task.tenant_id, u.user_id, p_type, p_task.proc_inst_id, p_task.task_id,
                          p_task.name, p_now)
    from (select p_task.assignee as user_id where p_task.assignee is not null
          union select 'group:' || g from jsonb_array_elements_text(p_task.candidate_groups) g) u;
end $$;

-- The retry policy of a task: {first_seconds, factor, cap_seconds, retry_on?}: the pause after the first failed attempt,
-- by what it grows with each further one, the longest pause, and the error classes that are retried, where it names
-- them. The task's own goes before that of its tenant. A first pause beyond the longest one is the longest.
create or replace function kernel.retry_policy(p_task public.todolist) returns jsonb
language sql stable set search_path = '' as $$
    select '{"first_seconds": 5, "factor": 3, "cap_seconds": 600}'::jsonb || coalesce(
        (select n.retry_policy from public.tenants n where n.tenant_id = p_task.tenant_id), '{}')
        || coalesce(p_task.retry_policy, '{}')
$$;

-- Refuses what is no retry policy.
create or replace function kernel.check_retry_policy(p_policy jsonb) returns void
language plpgsql volatile set search_path = '' as $$
declare
    v_wrong text;
begin
    select format('%s %s', p.key, p.value) into v_wrong
    from jsonb_each(case when jsonb_typeof(p_policy) = 'object' then p_policy else '{"policy": "no object"}' end) p
    where case
        when p.key in ('first_seconds', 'cap_seconds') and jsonb_typeof(p.value) = 'number'
            then not p.value::numeric between 1 and 2592000
        when p.key = 'factor' and jsonb_typeof(p.value) = 'number' then not p.value::numeric between 1 and 10
        when p.key = 'retry_on' and jsonb_typeof(p.value) = 'array'
            then not p.value <@ (select jsonb_agg(c.error_class) from kernel.error_classes() c where c.may_retry)
        else true end
    limit 1;
    if found then
        perform kernel.refuse('PT422', format('retry policy: %s', v_wrong), 'retry_policy',
            'first_seconds and cap_seconds are 1 to 2592000 (30 days), factor is 1 to 10, retry_on is an array of '
            'error classes that may be retried.');
    end if;
end $$;

-- When a task whose running attempt has failed is tried again; delay null: never. Exponential backoff, but not before
-- p_retry_after_seconds (where an endpoint named a time: at most a day), and up to a fifth later at random, so that
-- tasks that failed together do not come back together. The first lost worker in a row is made good at once: mostly it
-- is not the task's doing, and a lease has passed already. counted: the attempt is used up. A task is put off 30 times
-- without that, then its attempts bound it.
create or replace function kernel.next_attempt(
    p_task public.todolist, p_class text, p_retry_after_seconds double precision,
    out delay interval, out counted boolean)
language plpgsql volatile set search_path = '' as $$
declare
    v_policy jsonb := kernel.retry_policy(p_task);
    v_put_off int := (select count(*) from jsonb_array_elements(p_task.failed_attempts) f
                      where not (f ->> 'counted')::boolean);
    v_retried boolean;
    v_seconds double precision;
begin
    select c.counts or v_put_off >= 30,
           c.may_retry and coalesce(v_policy -> 'retry_on' ? p_class, c.retried)
    into counted, v_retried from kernel.error_classes() c where c.error_class = p_class;
    if not found then
        perform kernel.refuse('PT422', format('error class "%s" is not known', p_class), 'error_class',
                              'Use one of kernel.error_classes().');
    end if;
    if not v_retried or (counted and p_task.attempt >= p_task.max_attempts) then
        return;
    elsif p_class = 'worker_lost' and p_task.failed_attempts -> -1 ->> 'error_class' is distinct from p_class then
        delay := interval '0';
        return;
    end if;
    v_seconds := (v_policy ->> 'first_seconds')::double precision;
    v_seconds := least(greatest((v_policy ->> 'cap_seconds')::double precision, v_seconds), v_seconds
        * (v_policy ->> 'factor')::double precision ^ (case when counted then p_task.attempt - 1 else v_put_off end));
    v_seconds := greatest(v_seconds, least(coalesce(p_retry_after_seconds, 0), 86400));
    delay := v_seconds * (1 + random() / 5) * interval '1 second';
end $$;

-- A line of failed_attempts.
create or replace function kernel.failed_attempt(
    p_task public.todolist, p_class text, p_reason text, p_counted boolean, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_array(jsonb_build_object(
        'attempt', p_task.attempt, 'counted', p_counted, 'pod_id', p_task.pod_id, 'started_at', p_task.started_at,
        'ended_at', p_now, 'error_class', p_class, 'reason', left(p_reason, 500)))
$$;

-- The reason of an incident with those of the attempts before it, the newest first: at most ten, each in short.
create or replace function kernel.all_reasons(p_reason text, p_failed_attempts jsonb) returns text
language sql stable set search_path = '' as $$
    select p_reason || coalesce('; before that, attempt ' || string_agg(
        format('%s (%s): %s', f ->> 'attempt', f ->> 'error_class', left(f ->> 'reason', 200)), '; attempt '
        order by n desc) || case when jsonb_array_length(p_failed_attempts) > 10 then '; and others' else '' end, '')
    from jsonb_array_elements(p_failed_attempts) with ordinality as e(f, n)
    where n > jsonb_array_length(p_failed_attempts) - 10
$$;

-- An attempt failed. p_failure: {error_class?, reason, retryable, log_tail?, retry_after_seconds?}; retryable false:
-- whoever worked on it says that another attempt cannot help. Pods of earlier versions give no class.
create or replace function kernel.fail_attempt(
    p_task public.todolist, p_failure jsonb, p_output jsonb, p_actor text, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
declare
    v_retryable boolean := coalesce((p_failure ->> 'retryable')::boolean, true);
    v_class text := coalesce(p_failure ->> 'error_class',
                             case when v_retryable then 'orchestrator_failed' else 'input_refused' end);
    v_next record := kernel.next_attempt(p_task, v_class, (p_failure ->> 'retry_after_seconds')::double precision);
    v_reason text := coalesce(p_failure ->> 'reason', 'no reason was given');
begin
    if v_next.delay is null or not v_retryable then
        perform kernel.fail_task(p_task, v_reason, p_output, p_failure ->> 'log_tail', p_now, v_class);
        return;
    end if;
    update public.todolist t set status = 'PENDING', available_at = p_now + v_next.delay, error = v_reason,
        log_tail = p_failure ->> 'log_tail',
        attempt = case when v_next.counted then t.attempt else t.attempt - 1 end,
        failed_attempts = t.failed_attempts
                          || kernel.failed_attempt(p_task, v_class, v_reason, v_next.counted, p_now)
    where t.tenant_id = p_task.tenant_id and t.task_id = p_task.task_id;
    perform kernel.record_event(p_task.tenant_id, p_task.proc_inst_id, p_task.task_id, 'TASK_RETRIED', p_actor,
        v_reason, jsonb_build_object('attempt', p_task.attempt, 'error_class', v_class, 'counted', v_next.counted,
            'available_at', p_now + v_next.delay, 'log_tail', p_failure ->> 'log_tail'), p_now);
end $$;

-- The end of a task that did not succeed: an incident, and its instance is in ERROR until somebody repairs it; but where
-- its process has an error event for this class, the event arrives there.
drop function if exists kernel.fail_task(public.todolist, text, jsonb, text, timestamptz);
create or replace function kernel.fail_task(
    p_task public.todolist, p_reason text, p_output jsonb, p_log_tail text, p_now timestamptz,
    p_class text default 'definition_invalid') returns void
language plpgsql volatile set search_path = '' as $$
declare
    v_was_running boolean := p_task.status = 'IN_PROGRESS';
    v_attempts int := jsonb_array_length(p_task.failed_attempts) + v_was_running::int;
    v_error text := kernel.all_reasons(p_reason, p_task.failed_attempts);
    v_caught boolean;
    v_initiator text;
begin
    update public.todolist t set status = 'FAILED', error = v_error, error_class = p_class, log_tail = p_log_tail,
        finished_at = p_now, lease_expires_at = null, output = coalesce(p_output, t.output),
        failed_attempts = case when v_was_running
            then t.failed_attempts || kernel.failed_attempt(p_task, p_class, p_reason, true, p_now)
            else t.failed_attempts end
    where t.tenant_id = p_task.tenant_id and t.task_id = p_task.task_id;
    v_caught := kernel.throw_failure(p_task, p_class, v_error, p_now);
    perform kernel.record_event(p_task.tenant_id, p_task.proc_inst_id, p_task.task_id,
        case when v_caught then 'EVENT_THROWN' else 'INCIDENT' end::public.event_type, 'kernel', p_reason,
        jsonb_build_object('attempt', p_task.attempt, 'error_class', p_class, 'activity_id', p_task.activity_id,
                           'log_tail', p_log_tail) || case when v_caught then '{"kind": "error"}' else '{}' end::jsonb,
        p_now);
    if v_caught or p_task.proc_inst_id is null then
        return;
    end if;
    update public.bpm_proc_inst i set status = 'ERROR', error = format('%s: %s', p_task.activity_id, v_error)
    where i.tenant_id = p_task.tenant_id and i.id = p_task.proc_inst_id and i.status in ('RUNNING', 'ERROR')
    returning i.initiator into v_initiator;
    if found then
        perform kernel.notify(p_task.tenant_id, v_initiator, 'INCIDENT', p_task.proc_inst_id, p_task.task_id,
            case when v_attempts > 1 then format('%s, after %s attempts: %s', p_task.name, v_attempts, p_reason)
                 else p_reason end, p_now);
    end if;
end $$;

-- A task has failed for good: the error goes to the event that waits for it, where there is one.
create or replace function kernel.throw_failure(
    p_task public.todolist, p_class text, p_error text, p_now timestamptz) returns boolean
language plpgsql volatile set search_path = '' as $$
begin
    insert into public.event_arrival (tenant_id, arrival_id, kind, name, variables, initiator, wait_id, claimed_until,
                                      created_at)
    select w.tenant_id, kernel.new_id(), 'error', p_class,
           jsonb_build_object('error', jsonb_build_object('code', p_class, 'message', p_error)), 'kernel', w.wait_id,
           p_now, p_now
    from public.event_wait w
    where w.tenant_id = p_task.tenant_id and w.proc_inst_id = p_task.proc_inst_id
      and w.engine_token = p_task.engine_token and w.kind = 'error' and w.name = p_class;
    return found;
end $$;

-- Inserts tasks. p_tasks: array of {process_definition_id?, activity_id, name, iteration?, engine_token?, agent_orch?,
-- agent_id?, agent_mode?, instruction?, input?, output_schema?, form?, assignee?, candidate_groups?, priority?,
-- max_attempts?, retry_policy?, timeout_seconds?, due_at?, limits?}. A task with agent_orch is PENDING, one without is
-- TODO. An orchestrator that nobody has registered is an incident at once.
create or replace function kernel.insert_tasks(
    p_tenant_id text, p_proc_inst_id uuid, p_process_definition_id text, p_tasks jsonb, p_actor text,
    p_now timestamptz) returns setof public.todolist
language plpgsql volatile set search_path = '' as $$
declare
    v_known text[] := array(select o.id from public.agent_orch o);
    v_task public.todolist;
    v_wake boolean := false;
    v_was_empty boolean := false;
    v_step bigint := kernel.rank_step(p_tenant_id);
    v_limited boolean := (select t.max_running is not null from public.tenants t where t.tenant_id = p_tenant_id);
    v_switched boolean;
begin
    if p_tasks = '[]' then
        return;
    end if;
    v_switched := kernel.any_switch_is_set();
    for v_task in
        with given as (
            select r.*, coalesce(r.priority, 3) as level, ordinality
            from jsonb_array_elements(p_tasks) with ordinality as e(task, ordinality),
                 jsonb_to_record(e.task) as r(
                    process_definition_id text, activity_id text, name text, iteration int, engine_token text,
                    agent_orch text, agent_id text,
                    agent_mode public.agent_mode, instruction text, input jsonb, output_schema jsonb, form jsonb,
                    assignee text, candidate_groups jsonb, priority smallint, max_attempts int, timeout_seconds int,
                    due_at timestamptz, retry_policy jsonb, limits jsonb)
        ), queues as materialized (
            select q.agent_orch, q.level, kernel.fair_rank(p_tenant_id, q.agent_orch, q.level, p_now) as first_rank
            from (select distinct g.agent_orch, g.level from given g where g.agent_orch is not null) q
        ), inserted as (
            insert into public.todolist (
                tenant_id, task_id, proc_inst_id, process_definition_id, activity_id, name, iteration, engine_token,
                status, agent_orch, agent_id, agent_mode, instruction, input, output_schema, form, assignee,
                candidate_groups, priority, fair_rank, attempt, max_attempts, timeout_seconds, created_at,
                limited, available_at, due_at, retry_policy, limits)
            select p_tenant_id, kernel.new_id(), p_proc_inst_id,
                   coalesce(g.process_definition_id, p_process_definition_id), g.activity_id,
                   coalesce(g.name, g.activity_id), coalesce(g.iteration, 1), g.engine_token,
                   case when g.agent_orch is null then 'TODO' else 'PENDING' end::public.task_status,
                   g.agent_orch, g.agent_id, coalesce(g.agent_mode, case when g.agent_orch is null then 'none'
                                                                    else 'complete' end::public.agent_mode),
                   coalesce(g.instruction, ''), coalesce(g.input, '{}'), nullif(g.output_schema, 'null'),
                   nullif(g.form, 'null'), g.assignee, coalesce(nullif(g.candidate_groups, 'null'), '[]'), g.level,
                   coalesce(q.first_rank + v_step * (row_number() over (partition by g.agent_orch, g.level
                                                                      order by g.ordinality) - 1), 0),
                   0, coalesce(g.max_attempts, 3), coalesce(g.timeout_seconds, 900), p_now,
                   v_limited and g.agent_orch is not null,
                   case when v_limited and g.agent_orch is not null then 'infinity'::timestamptz end,
                   g.due_at, nullif(g.retry_policy, 'null'), nullif(g.limits, 'null')
            from given g left join queues q on q.agent_orch = g.agent_orch and q.level = g.level
            order by g.ordinality
            returning *
        ), logged as (
            insert into public.events (tenant_id, proc_inst_id, task_id, event_type, actor, message, data, "timestamp")
            select p_tenant_id, p_proc_inst_id, i.task_id, 'TASK_CREATED', p_actor, i.name, jsonb_build_object(
                'activity_id', i.activity_id, 'iteration', i.iteration, 'queue', i.agent_orch), p_now
            from inserted i
        )
        select i.* from inserted i
    loop
        if not (v_task.priority between 1 and 5 and v_task.max_attempts between 1 and 100
                and v_task.timeout_seconds between 1 and 86400) then
            perform kernel.refuse('PT422', format('activity "%s": priority %s, max_attempts %s, timeout_seconds %s',
                v_task.activity_id, v_task.priority, v_task.max_attempts, v_task.timeout_seconds), 'task_numbers',
                'priority is 1 to 5, max_attempts 1 to 100, timeout_seconds 1 to 86400.');
        end if;
        if v_task.retry_policy is not null then
            perform kernel.check_retry_policy(v_task.retry_policy);
        end if;
        if v_task.agent_orch is null then
            perform kernel.notify_people(v_task, p_now);
        elsif v_task.agent_orch = any(v_known) then
            if not (v_switched and kernel.hold_back(v_task)) then
                v_wake := true;
                v_was_empty := v_was_empty or v_task.fair_rank = kernel.rank_of(p_now);
            end if;
        else
            perform kernel.fail_task(v_task, format('orchestrator "%s" is not registered: start a pod that serves it, '
                'or deploy a definition that names one of the registered ones', v_task.agent_orch), null, null, p_now);
        end if;
        return next v_task;
    end loop;
    if v_wake and v_limited then
        perform kernel.admit(p_tenant_id, p_now);
    elsif v_wake then
        perform kernel.wake(v_was_empty);
    end if;
end $$;

-- Refuses what was found out about an older revision of an instance; null: it holds for any.
create or replace function kernel.require_revision(p_tenant_id text, p_proc_inst_id uuid, p_revision int) returns void
language plpgsql volatile set search_path = '' as $$
begin
    if p_revision is not null and not exists (
        select from public.bpm_proc_inst i
        where i.tenant_id = p_tenant_id and i.id = p_proc_inst_id and i.revision = p_revision)
    then
        perform kernel.refuse('PT409', 'The process instance has moved on since this was found out.',
                              'instance_changed', 'Read the instance again and compute the step anew.');
    end if;
end $$;

-- Moves an instance on. p_step: {revision, state, variables, ended, tasks: [...], cancelled: [engine_token ...],
-- events?: see kernel.apply_events}; it was computed for that revision, and is refused when the instance has moved
-- since.
create or replace function kernel.apply_step(
    p_tenant_id text, p_proc_inst_id uuid, p_step jsonb, p_actor text, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
declare
    v_instance public.bpm_proc_inst;
    v_ended boolean := (p_step ->> 'ended')::boolean;
begin
    update public.bpm_proc_inst i set
        state = p_step -> 'state', variables = p_step -> 'variables', revision = i.revision + 1,
        status = case when v_ended and i.status = 'RUNNING' then 'COMPLETED' else i.status end,
        end_time = case when v_ended then p_now end
    where i.tenant_id = p_tenant_id and i.id = p_proc_inst_id and i.revision = (p_step ->> 'revision')::int
      and i.status in ('RUNNING', 'ERROR')
    returning i.* into v_instance;
    if not found then
        perform kernel.refuse('PT409', 'The process instance has moved on since this step was computed.',
                              'instance_changed', 'Read the instance again and compute the step anew.');
    end if;
    perform kernel.cancel_tasks(p_tenant_id, p_proc_inst_id, p_step -> 'cancelled', p_actor, null, p_now);
    perform kernel.insert_tasks(p_tenant_id, p_proc_inst_id, v_instance.process_definition_id, p_step -> 'tasks',
                                p_actor, p_now);
    if p_step ? 'events' then
        perform kernel.apply_events(v_instance, p_step -> 'events', p_actor, p_now);
    end if;
    if v_instance.status = 'ERROR' then
        perform kernel.drop_failed_arrivals(p_tenant_id, p_proc_inst_id, p_now);
        perform kernel.leave_error(p_tenant_id, p_proc_inst_id, v_ended);
    end if;
    if v_ended then
        if p_step -> 'tasks' <> '[]' then
            perform kernel.refuse('PT422', 'A step that ends the instance cannot make tasks.', 'step',
                                  'Compute the step anew.');
        end if;
        perform kernel.record_event(p_tenant_id, p_proc_inst_id, null, 'INSTANCE_COMPLETED', p_actor, null, null, p_now);
        perform kernel.notify(p_tenant_id, v_instance.initiator, 'PROCESS_DONE', p_proc_inst_id, null,
                              v_instance.process_definition_id, p_now);
    end if;
end $$;

-- An instance in ERROR has made a step, which may have withdrawn what had failed. With an incident it is never COMPLETED.
create or replace function kernel.leave_error(p_tenant_id text, p_proc_inst_id uuid, p_ended boolean) returns void
language plpgsql volatile set search_path = '' as $$
begin
    perform kernel.clear_error(p_tenant_id, p_proc_inst_id);
    if p_ended then
        update public.bpm_proc_inst i set status = 'COMPLETED'
        where i.tenant_id = p_tenant_id and i.id = p_proc_inst_id and i.status = 'RUNNING';
        if not found then
            perform kernel.refuse('PT422', 'The process instance has an incident: it cannot be COMPLETED.',
                                  'incident_open', 'Take up what failed, or cancel the instance.');
        end if;
    end if;
end $$;

-- Keeps what a step was computed from, where p_step says it: {revision, given, ...}.
create or replace function kernel.keep_input(p_tenant_id text, p_proc_inst_id uuid, p_step jsonb) returns void
language plpgsql volatile set search_path = '' as $$
begin
    if p_step ? 'given' then
        insert into public.step_input (tenant_id, proc_inst_id, revision, given)
        values (p_tenant_id, p_proc_inst_id, (p_step ->> 'revision')::int + 1, p_step -> 'given');
    end if;
end $$;

-- Cancels the open tasks of an instance: those with the given engine tokens, or all where p_tokens is null. A pod that
-- runs one of them learns of it at its next renewal, and is woken to renew now. One that was cancelled alone can no
-- longer be taken up.
drop function if exists kernel.cancel_tasks(text, uuid, jsonb, text, timestamptz);
create or replace function kernel.cancel_tasks(
    p_tenant_id text, p_proc_inst_id uuid, p_tokens jsonb, p_actor text, p_reason text, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
declare
    v_task record;
begin
    if p_tokens = '[]' then
        return;
    end if;
    for v_task in
        select t.task_id, t.pod_id, t.status from public.todolist t
        where t.tenant_id = p_tenant_id and t.proc_inst_id = p_proc_inst_id
          and t.status in ('TODO', 'PENDING', 'IN_PROGRESS', 'WAITING', 'FAILED')
          and (p_tokens is null or p_tokens ? t.engine_token)
        for no key update
    loop
        update public.todolist t set status = 'CANCELLED', finished_at = p_now, lease_expires_at = null
        where t.tenant_id = p_tenant_id and t.task_id = v_task.task_id;
        perform kernel.record_event(p_tenant_id, p_proc_inst_id, v_task.task_id, 'TASK_CANCELLED', p_actor, p_reason,
                                    null, p_now);
        if v_task.status = 'IN_PROGRESS' then
            perform pg_notify('fleet_cancel', v_task.pod_id::text);
        end if;
    end loop;
    update public.todolist t set cancelled_by = null
    where t.tenant_id = p_tenant_id and t.proc_inst_id = p_proc_inst_id and t.cancelled_by is not null
      and (p_tokens is null or p_tokens ? t.engine_token);
end $$;

-- What a step does to events. p_events: {closed: [[token, element] ...], opened: [{token, element, kind, once, name?,
-- correlation_key?, schedule?: {at?, after?, every?, times?}} ...], thrown: [{kind, element, name, correlation_key,
-- variables, not_to: [[token, element] ...]} ...]}.
create or replace function kernel.apply_events(
    p_instance public.bpm_proc_inst, p_events jsonb, p_actor text, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
declare
    v_thrown jsonb;
begin
    perform kernel.lock_messages(p_instance.tenant_id,
        array(select w.name from public.event_wait w
              where w.tenant_id = p_instance.tenant_id and w.proc_inst_id = p_instance.id and w.kind = 'message')
        || array(select e ->> 'name' from jsonb_array_elements((p_events -> 'opened') || (p_events -> 'thrown')) e
                 where e ->> 'kind' = 'message'));
    delete from public.event_wait w using jsonb_array_elements(p_events -> 'closed') c
    where w.tenant_id = p_instance.tenant_id and w.proc_inst_id = p_instance.id
      and w.engine_token = c ->> 0 and w.element_id = c ->> 1;
    perform kernel.open_waits(p_instance.tenant_id, p_instance.id, p_instance.process_definition_id,
        p_instance.process_definition_version, p_instance.revision, p_events -> 'opened', p_now);
    for v_thrown in select t from jsonb_array_elements(p_events -> 'thrown') t loop
        perform kernel.record_event(p_instance.tenant_id, p_instance.id, null, 'EVENT_THROWN', p_actor,
            v_thrown ->> 'name', v_thrown - 'not_to' - 'variables' - 'name', p_now);
        if v_thrown ->> 'kind' = 'message' then
            perform kernel.send_message(p_instance.tenant_id, v_thrown ->> 'name', v_thrown ->> 'correlation_key',
                v_thrown -> 'variables', p_now + interval '1 hour', p_instance.initiator, p_now, p_instance.id);
        else
            perform kernel.send_signal(p_instance.tenant_id, v_thrown ->> 'name', v_thrown -> 'variables',
                                       p_instance.initiator, p_instance.id, v_thrown -> 'not_to', p_now);
        end if;
    end loop;
end $$;

-- Messages of one name are matched with waits one transaction after the other: else a message and a wait that come at
-- the same moment would miss each other. All names of a transaction are locked at once and in order, before any wait is
-- touched, so that nobody waits for somebody who waits.
create or replace function kernel.lock_messages(p_tenant_id text, p_names text[]) returns void
language plpgsql volatile set search_path = '' as $$
declare
    v_key bigint;
begin
    for v_key in select distinct hashtextextended('message ' || p_tenant_id || ' ' || n, 0) from unnest(p_names) n
                 order by 1
    loop
        perform pg_advisory_xact_lock(v_key);
    end loop;
end $$;

-- p_proc_inst_id null: they start instances of the definition. A message that was kept for such a wait goes to it.
create or replace function kernel.open_waits(
    p_tenant_id text, p_proc_inst_id uuid, p_definition_id text, p_version int, p_revision int, p_opened jsonb,
    p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
declare
    v_wait public.event_wait;
begin
    for v_wait in
        insert into public.event_wait (
            tenant_id, wait_id, proc_inst_id, process_definition_id, process_definition_version, engine_token,
            element_id, kind, once, name, correlation_key, due_at, repeat_every, repeats_left, revision, created_at)
        select p_tenant_id, kernel.new_id(), p_proc_inst_id, p_definition_id, p_version, o ->> 'token', o ->> 'element',
               o ->> 'kind', (o ->> 'once')::boolean, o ->> 'name',
               case when p_proc_inst_id is not null then o ->> 'correlation_key' end,
               coalesce((o #>> '{schedule,at}')::timestamptz,
                        p_now + coalesce(o #>> '{schedule,after}', o #>> '{schedule,every}')::interval),
               (o #>> '{schedule,every}')::interval, (o #>> '{schedule,times}')::int, p_revision, p_now
        from jsonb_array_elements(p_opened) with ordinality as e(o, place) order by place
        returning *
    loop
        if v_wait.kind = 'message' and p_proc_inst_id is not null then
            perform kernel.give_kept_message(v_wait, p_now);
        end if;
    end loop;
end $$;

-- The oldest message that was kept for a wait, where there is one, goes to it; to one that stays, all of them.
create or replace function kernel.give_kept_message(p_wait public.event_wait, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
begin
    update public.event_arrival a set wait_id = p_wait.wait_id, claimed_until = p_now
    where (a.tenant_id, a.arrival_id) in (
        select k.tenant_id, k.arrival_id from public.event_arrival k
        where k.tenant_id = p_wait.tenant_id and k.name = p_wait.name and k.correlation_key = p_wait.correlation_key
          and k.wait_id is null and k.expires_at > p_now
        order by k.arrival_id limit case when p_wait.once then 1 end);
    if found and p_wait.once then
        update public.event_wait w set taken = true
        where w.tenant_id = p_wait.tenant_id and w.wait_id = p_wait.wait_id;
    end if;
end $$;

-- A message goes to the oldest wait of an instance for its name and key; else to a definition that it starts; else it
-- is kept until it expires, and leaves the house where an instance threw it. The caller holds kernel.lock_messages.
drop function if exists kernel.send_message(text, text, text, jsonb, timestamptz, text, timestamptz);
create or replace function kernel.send_message(
    p_tenant_id text, p_name text, p_key text, p_variables jsonb, p_expires_at timestamptz, p_initiator text,
    p_now timestamptz, p_thrown_by uuid default null) returns public.event_arrival
language plpgsql volatile set search_path = '' as $$
declare
    v_arrival public.event_arrival;
    v_wait public.event_wait;
begin
    select w.* into v_wait from public.event_wait w
    where w.tenant_id = p_tenant_id and w.kind = 'message' and w.name = p_name and not w.taken
      and (w.proc_inst_id is null or w.correlation_key = p_key)
    order by w.proc_inst_id is null, w.wait_id limit 1;
    insert into public.event_arrival (tenant_id, arrival_id, kind, name, correlation_key, variables, initiator, wait_id,
                                      expires_at, claimed_until, created_at, thrown_by)
    values (p_tenant_id, kernel.new_id(), 'message', p_name, p_key, p_variables, p_initiator, v_wait.wait_id,
            p_expires_at, p_now, p_now, p_thrown_by)
    returning * into v_arrival;
    if v_wait.wait_id is null and p_thrown_by is not null then
        perform kernel.send_outside(v_arrival, p_now);
    end if;
    if v_wait.once and v_wait.proc_inst_id is not null then
        update public.event_wait w set taken = true where w.tenant_id = p_tenant_id and w.wait_id = v_wait.wait_id;
    end if;
    return v_arrival;
end $$;

-- Puts a message that an instance threw into the outbox, for each webhook endpoint that wants messages.
create or replace function kernel.send_outside(p_arrival public.event_arrival, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
begin
    perform kernel.put_outbox(p_arrival.tenant_id, 'message', e.endpoint_id::text, jsonb_build_object(
        'type', 'MESSAGE', 'timestamp', p_now, 'data', jsonb_build_object(
            'message_id', p_arrival.arrival_id, 'tenant_id', p_arrival.tenant_id, 'name', p_arrival.name,
            'correlation_key', p_arrival.correlation_key, 'variables', p_arrival.variables, 'proc_inst_id', i.id,
            'process_definition_id', i.process_definition_id)), null, i.id, null, p_now, p_now)
    from public.webhook_endpoint e join public.bpm_proc_inst i on i.tenant_id = e.tenant_id
    where e.tenant_id = p_arrival.tenant_id and e.enabled and e.types ? 'MESSAGE' and i.id = p_arrival.thrown_by;
end $$;

-- A signal goes to everything in the tenant that waits for it now, but not to p_not_to of the instance that threw it.
create or replace function kernel.send_signal(
    p_tenant_id text, p_name text, p_variables jsonb, p_initiator text, p_thrower uuid, p_not_to jsonb,
    p_now timestamptz) returns bigint
language plpgsql volatile set search_path = '' as $$
declare
    v_reached bigint;
begin
    insert into public.event_arrival (tenant_id, arrival_id, kind, name, variables, initiator, wait_id, claimed_until,
                                      created_at)
    select p_tenant_id, kernel.new_id(), 'signal', p_name, p_variables, p_initiator, w.wait_id, p_now, p_now
    from public.event_wait w
    where w.tenant_id = p_tenant_id and w.kind = 'signal' and w.name = p_name
      and not coalesce(w.proc_inst_id = p_thrower
                       and p_not_to @> jsonb_build_array(jsonb_build_array(w.engine_token, w.element_id)), false)
    order by w.wait_id;
    get diagnostics v_reached = row_count;
    return v_reached;
end $$;

-- The newest version of a definition is the one that events start. p_starts: as opened in kernel.apply_events.
create or replace function kernel.replace_starts(
    p_tenant_id text, p_definition_id text, p_version int, p_starts jsonb, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
begin
    perform kernel.lock_messages(p_tenant_id, array(
        select w.name from public.event_wait w
        where w.tenant_id = p_tenant_id and w.process_definition_id = p_definition_id and w.proc_inst_id is null
          and w.kind = 'message'
        union select s ->> 'name' from jsonb_array_elements(p_starts) s where s ->> 'kind' = 'message'));
    delete from public.event_wait w
    where w.tenant_id = p_tenant_id and w.process_definition_id = p_definition_id and w.proc_inst_id is null;
    perform kernel.open_waits(p_tenant_id, null, p_definition_id, p_version, 0, p_starts, p_now);
end $$;

-- Ends all waits of an instance that was cancelled.
create or replace function kernel.close_waits(p_tenant_id text, p_proc_inst_id uuid) returns void
language plpgsql volatile set search_path = '' as $$
begin
    perform kernel.lock_messages(p_tenant_id, array(
        select w.name from public.event_wait w
        where w.tenant_id = p_tenant_id and w.proc_inst_id = p_proc_inst_id and w.kind = 'message'));
    delete from public.event_wait w where w.tenant_id = p_tenant_id and w.proc_inst_id = p_proc_inst_id;
    perform kernel.drop_failed_arrivals(p_tenant_id, p_proc_inst_id, kernel.now());
end $$;

-- Events that an instance could not take and no longer waits for are worked off once more, as over: messages then look
-- for somebody else.
create or replace function kernel.drop_failed_arrivals(p_tenant_id text, p_proc_inst_id uuid, p_now timestamptz)
returns void language sql volatile set search_path = '' as $$
    update public.event_arrival a set error = null, claimed_until = p_now
    where a.tenant_id = p_tenant_id and a.proc_inst_id = p_proc_inst_id and a.error is not null
      and not exists (select from public.event_wait w where w.tenant_id = a.tenant_id and w.wait_id = a.wait_id)
$$;

-- == 7. For the pod ==================================================================================================

create or replace function public.register_pod(
    p_pod_id uuid, p_name text, p_serves jsonb, p_address text) returns setof public.pod
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_now timestamptz := kernel.now();
begin
    insert into public.agent_orch (id, description, first_seen_at, last_seen_at)
    select s ->> 'id', s ->> 'description', v_now, v_now from jsonb_array_elements(p_serves) s
    order by 1
    on conflict (id) do update set description = excluded.description, last_seen_at = excluded.last_seen_at;
    return query
    insert into public.pod (pod_id, name, serves, address, status, started_at, heartbeat_at)
    values (p_pod_id, p_name, (select coalesce(jsonb_agg(s ->> 'id'), '[]') from jsonb_array_elements(p_serves) s),
            p_address, 'READY', v_now, v_now)
    returning *;
end $$;

create or replace function public.heartbeat_pod(p_pod_id uuid, p_status public.pod_status)
returns setof public.pod
language sql volatile security definer set search_path = '' as $$
    update public.pod p set status = p_status, heartbeat_at = kernel.now() where p.pod_id = p_pod_id returning p.*
$$;

-- Ends a claimed task. p_done: {tenant_id, task_id, proc_inst_id, fencing_token, outcome, ...} where outcome is
--   done      {output, step}              the step moves the instance on (null for a task that stands alone)
--   draft     {output}                    a person goes on with it
--   failed    {error_class, reason, retryable, log_tail, retry_after_seconds?, output?, revision?, afresh?}   see
--                                kernel.fail_attempt; revision: the one for which no step could be computed; afresh: the
--                                answers led to this, so the next attempt asks the model again
--   released  {}                          handed back unfinished; the attempt does not count
-- Refused with PT409 lease_lost unless the fencing token is the one of the task's running claim.
-- The cast of status keeps the planner on the primary key: the small partial index on running tasks is full of dead
-- entries whenever a transaction stays open.
create or replace function kernel.finish_task(p_done jsonb, p_now timestamptz) returns boolean
language plpgsql volatile as $$
declare
    v_tenant text := p_done ->> 'tenant_id';
    v_task_id uuid := (p_done ->> 'task_id')::uuid;
    v_token bigint := (p_done ->> 'fencing_token')::bigint;
    v_output jsonb := nullif(p_done -> 'output', 'null');
    v_instance uuid := (p_done ->> 'proc_inst_id')::uuid;
    v_actor text;
    v_attempt int;
    v_name text;
    v_started_at timestamptz;
begin
    if v_instance is not null then
        perform from public.bpm_proc_inst i where i.tenant_id = v_tenant and i.id = v_instance for no key update;
    end if;
    if p_done ->> 'outcome' is distinct from 'done' then
        return kernel.end_undone(p_done, v_output, p_now);
    end if;
    update public.todolist t set status = 'DONE', output = v_output, finished_at = p_now, lease_expires_at = null
    where t.tenant_id = v_tenant and t.task_id = v_task_id and t.fencing_token = v_token
      and t.status::text = 'IN_PROGRESS'
    returning t.proc_inst_id, 'pod:' || t.pod_id, t.attempt, t.name, t.started_at
    into v_instance, v_actor, v_attempt, v_name, v_started_at;
    if not found then
        perform kernel.refuse_stale();
    end if;
    insert into public.events (tenant_id, proc_inst_id, task_id, event_type, actor, message, data, "timestamp")
    values (v_tenant, v_instance, v_task_id, 'TASK_COMPLETED', v_actor, v_name,
            kernel.timing(v_attempt, 'run_seconds', p_now - v_started_at), p_now);
    if v_instance is not null then
        perform kernel.apply_step(v_tenant, v_instance, p_done -> 'step', v_actor, p_now);
    end if;
    return true;
end $$;

create or replace function kernel.refuse_stale() returns void
language plpgsql volatile set search_path = '' as $$
begin
    perform kernel.refuse('PT409', 'The lease of this task is lost: another claim, a cancel or its end came first.',
                          'lease_lost', 'Stop working on it.');
end $$;

-- The other outcomes of kernel.finish_task.
create or replace function kernel.end_undone(p_done jsonb, p_output jsonb, p_now timestamptz) returns boolean
language plpgsql volatile set search_path = '' as $$
declare
    v_outcome text := p_done ->> 'outcome';
    v_task public.todolist;
    v_actor text;
begin
    update public.todolist t set
        status = case v_outcome when 'draft' then 'TODO' when 'released' then 'PENDING'
                                else t.status end::public.task_status,
        draft = case when v_outcome = 'draft' then p_output else t.draft end,
        attempt = case when v_outcome = 'released' then t.attempt - 1 else t.attempt end,
        ran_seconds = kernel.ran_seconds(t, p_now),
        lease_expires_at = null
    where t.tenant_id = p_done ->> 'tenant_id' and t.task_id = (p_done ->> 'task_id')::uuid
      and t.fencing_token = (p_done ->> 'fencing_token')::bigint and t.status::text = 'IN_PROGRESS'
    returning t.* into v_task;
    if not found then
        perform kernel.refuse_stale();
    end if;
    v_actor := 'pod:' || v_task.pod_id;
    case v_outcome
    when 'draft' then
        perform kernel.record_event(v_task.tenant_id, v_task.proc_inst_id, v_task.task_id, 'TASK_DRAFTED', v_actor,
            v_task.name, kernel.timing(v_task.attempt, 'run_seconds', p_now - v_task.started_at), p_now);
        perform kernel.notify_people(v_task, p_now);
    when 'released' then
        perform kernel.record_event(v_task.tenant_id, v_task.proc_inst_id, v_task.task_id, 'TASK_RELEASED', v_actor,
                                    v_task.name, null, p_now);
        if not kernel.hold_back(v_task) then
            perform kernel.wake(true);
        end if;
    when 'failed' then
        perform kernel.require_revision(v_task.tenant_id, v_task.proc_inst_id, (p_done ->> 'revision')::int);
        perform kernel.forget_calls(v_task, coalesce((p_done ->> 'afresh')::boolean, false));
        perform kernel.fail_attempt(v_task, p_done, p_output, v_actor, p_now);
    else
        perform kernel.refuse('PT422', format('outcome "%s" is not known', v_outcome), 'outcome',
                              'Use done, draft, failed or released.');
    end case;
    return true;
end $$;

drop function if exists kernel.retry_later(public.todolist, text, text, text, timestamptz);

do $$ begin                                            -- it listed its columns
    if to_regprocedure('public.next_task(uuid, jsonb, int, jsonb)')::oid in (
        select p.oid from pg_catalog.pg_proc p where p.prorettype = 'record'::regtype) then
        drop function public.next_task(uuid, jsonb, int, jsonb);
    end if;
end $$;

-- The hot path, one round trip and one commit: ends the last task (p_done, see kernel.finish_task), then claims the
-- next one for p_lease_seconds. The end comes first and the claim takes a fresh snapshot: as one statement the two
-- deadlock. The plan is pinned, because one that was made while the queue was empty would sort the whole backlog.
-- p_queues: names of orchestrators; [] only ends the last task. Returns no row when there is nothing to do.
-- A task that is done and stands alone is ended here, every other end is kernel.finish_task's. When the floors are not
-- to be trusted, or nothing lies above them, upkeep may lower them, and the claim looks once more.
-- It is written for few statements and few expressions: each costs about as much as reading a row.
create or replace function public.next_task(
    p_pod_id uuid, p_queues jsonb, p_lease_seconds int, p_done jsonb default null)
returns setof public.claimed_task
language plpgsql volatile security definer set search_path = '' set enable_seqscan = off set enable_bitmapscan = off
set enable_sort = off set plan_cache_mode = force_generic_plan as $$
declare
    v_now timestamptz := kernel.now();
    v_ended_tenant text;
    v_ended_task uuid;
    v_ended_actor text;
    v_ended_name text;
    v_ended_data jsonb;
    v_memory bigint[] := kernel.memory();
    v_ms bigint := kernel.statement_ms();
    v_read bigint;
    v_found tid;
    v_upkeep boolean := false;
    v_task public.claimed_task;
begin
    if p_done is not null then
        update public.todolist t set
            status = 'DONE', output = nullif(p_done -> 'output', 'null'), finished_at = v_now, lease_expires_at = null
        where t.tenant_id = p_done ->> 'tenant_id' and t.task_id = (p_done ->> 'task_id')::uuid
          and t.fencing_token = (p_done ->> 'fencing_token')::bigint and t.status::text = 'IN_PROGRESS'
          and p_done ->> 'outcome' = 'done' and t.proc_inst_id is null
        returning t.tenant_id, t.task_id, 'pod:' || t.pod_id, t.name,
            kernel.timing(t.attempt, 'run_seconds', v_now - t.started_at)
        into v_ended_tenant, v_ended_task, v_ended_actor, v_ended_name, v_ended_data;
        if not found then
            perform kernel.finish_task(p_done, v_now);
        end if;
    end if;
    loop
        if v_memory[1] = jsonb_hash_extended(p_queues, 0) and (v_upkeep or v_ms between v_memory[2] and v_memory[4]) then
            if v_ms / 10 % 10 = 0 then                 -- in every tenth hundredth of a second
                v_found := kernel.neglected_task(p_queues, v_memory, v_now);
            end if;
            if v_found is null and v_memory[6] is not null then
                v_found := kernel.task_above_floors(p_queues, v_memory);
            elsif v_found is null then
                v_read := kernel.queue_read();
                select t.ctid into v_found from public.todolist t
                where t.status = 'PENDING' and t.available_at is null and t.agent_orch = p_queues ->> 0
                order by t.priority desc, t.fair_rank, t.task_id limit 1
                for no key update skip locked;
                if kernel.queue_read() > v_read + 100 then
                    v_memory[3:4] := array[0, 0];      -- the next claim needs floors
                    perform set_config('fleet.memory', v_memory::text, false);
                end if;
            end if;
        end if;
        exit when v_found is not null or v_upkeep;
        v_memory := kernel.upkeep(p_queues, v_now);
        v_upkeep := v_memory is not null;
        exit when not v_upkeep;
    end loop;
    if v_found is not null then
        update public.todolist t set
            status = 'IN_PROGRESS', attempt = t.attempt + 1, pod_id = p_pod_id, started_at = v_now,
            fencing_token = nextval('kernel.fencing_token'), error = null, log_tail = null,
            lease_expires_at = v_now + p_lease_seconds * interval '1 second'
        where t.ctid = v_found
        returning t.tenant_id, t.task_id, t.proc_inst_id, t.process_definition_id, t.activity_id, t.name, t.iteration,
            t.engine_token, t.agent_orch, null::jsonb, t.agent_id, t.agent_mode, t.instruction, t.input, t.output_schema,
            t.attempt, t.max_attempts, t.timeout_seconds, t.fencing_token, t.lease_expires_at, t.created_at, t.started_at
        into v_task;
    end if;
    if v_task.tenant_id is null then
        if v_ended_task is not null then
            perform kernel.record_event(v_ended_tenant, null, v_ended_task, 'TASK_COMPLETED', v_ended_actor,
                                        v_ended_name, v_ended_data, v_now);
        end if;
        return;
    elsif v_ended_task is null then
        perform kernel.record_event(
            v_task.tenant_id, v_task.proc_inst_id, v_task.task_id, 'TASK_CLAIMED', 'pod:' || p_pod_id, v_task.name,
            kernel.timing(v_task.attempt, 'wait_seconds', v_now - v_task.created_at), v_now);
    else
        insert into public.events (tenant_id, proc_inst_id, task_id, event_type, actor, message, data, "timestamp")
        values (v_ended_tenant, null, v_ended_task, 'TASK_COMPLETED', v_ended_actor, v_ended_name, v_ended_data, v_now),
               (v_task.tenant_id, v_task.proc_inst_id, v_task.task_id, 'TASK_CLAIMED', 'pod:' || p_pod_id, v_task.name,
                kernel.timing(v_task.attempt, 'wait_seconds', v_now - v_task.created_at), v_now);
    end if;
    if v_task.agent_id is not null then
        v_task.agent := (select to_jsonb(a) - 'tenant_id' - 'updated_at' from public.agent_profile a
                  where a.tenant_id = v_task.tenant_id and a.agent_id = v_task.agent_id);
    end if;
    return next v_task;
end $$;

-- Prolongs a lease. state: renewed; cancelled (somebody cancelled the task); stopped (a kill switch took it back); lost
-- (another claim or its end came first).
create or replace function public.renew_lease(
    p_tenant_id text, p_task_id uuid, p_fencing_token bigint, p_lease_seconds int)
returns table (state text, lease_expires_at timestamptz)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
declare
    v_task public.todolist;
begin
    return query
    update public.todolist t set lease_expires_at = kernel.now() + p_lease_seconds * interval '1 second'
    where t.tenant_id = p_tenant_id and t.task_id = p_task_id and t.fencing_token = p_fencing_token
      and t.status::text = 'IN_PROGRESS'
    returning 'renewed', t.lease_expires_at;
    if not found then
        select t.* into v_task from public.todolist t
        where t.tenant_id = p_tenant_id and t.task_id = p_task_id and t.fencing_token = p_fencing_token;
        return query select case when v_task.status = 'CANCELLED' then 'cancelled'
                                 when v_task.status = 'PENDING' and v_task.stopped then 'stopped'
                                 else 'lost' end, null::timestamptz;
    end if;
end $$;

-- The running task of a fencing token, or PT409 lease_lost: nothing is written for a claim that is over.
create or replace function kernel.claimed_task(p_tenant_id text, p_task_id uuid, p_fencing_token bigint)
returns public.todolist
language plpgsql volatile set search_path = '' as $$
declare
    v_task public.todolist;
begin
    select t.* into v_task from public.todolist t
    where t.tenant_id = p_tenant_id and t.task_id = p_task_id and t.fencing_token = p_fencing_token
      and t.status::text = 'IN_PROGRESS' for share;
    if not found then
        perform kernel.refuse_stale();
    end if;
    return v_task;
end $$;

-- Events to work off, claimed for p_claim_seconds: timers that are due, and messages and signals that found somebody
-- who waits. Whoever takes them computes the step and calls settle_arrival; what is not settled in time is taken again.
-- The place is in the index of what is to do, so that an idle call reads the heads of three indexes.
create or replace function public.take_arrivals(p_limit int, p_claim_seconds int)
returns table (tenant_id text, arrival_id uuid, kind text, name text, variables jsonb, initiator text,
               proc_inst_id uuid, process_definition_id text, process_definition_version int, engine_token text,
               element_id text)
language plpgsql volatile security definer set search_path = '' set enable_seqscan = off as $$
#variable_conflict use_column
declare
    v_now timestamptz := kernel.now();
    v_arrival public.event_arrival;
begin
    perform kernel.ring_timers(p_limit, v_now);
    delete from public.event_arrival a where (a.tenant_id, a.arrival_id) in (
        select k.tenant_id, k.arrival_id from public.event_arrival k
        where k.wait_id is null and k.expires_at <= v_now order by k.expires_at limit p_limit for update skip locked);
    for v_arrival in
        select a.* from public.event_arrival a
        where a.wait_id is not null and a.error is null and a.claimed_until <= v_now
        order by a.claimed_until limit p_limit for update skip locked
    loop
        update public.event_arrival a set claimed_until = v_now + p_claim_seconds * interval '1 second'
        where a.tenant_id = v_arrival.tenant_id and a.arrival_id = v_arrival.arrival_id;
        return query
        select v_arrival.tenant_id, v_arrival.arrival_id, v_arrival.kind, v_arrival.name, v_arrival.variables,
               v_arrival.initiator, w.proc_inst_id, w.process_definition_id, w.process_definition_version,
               w.engine_token, w.element_id
        from (values (1)) one left join public.event_wait w
            on w.tenant_id = v_arrival.tenant_id and w.wait_id = v_arrival.wait_id;
    end loop;
end $$;

-- Timers that are due arrive. One that repeats is due again; what it missed while nobody looked it does once.
create or replace function kernel.ring_timers(p_limit int, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
declare
    v_wait public.event_wait;
begin
    for v_wait in
        select w.* from public.event_wait w where w.due_at is not null and w.due_at <= p_now
        order by w.due_at limit p_limit for update skip locked
    loop
        insert into public.event_arrival (tenant_id, arrival_id, kind, variables, initiator, wait_id, claimed_until,
                                          created_at)
        values (v_wait.tenant_id, kernel.new_id(), 'timer', '{}', 'timer', v_wait.wait_id, p_now, p_now);
        update public.event_wait w set
            due_at = case when w.repeats_left = 1 or w.repeat_every is null then null
                          when w.due_at + w.repeat_every > p_now then w.due_at + w.repeat_every
                          else p_now + w.repeat_every end,
            repeats_left = w.repeats_left - 1
        where w.tenant_id = v_wait.tenant_id and w.wait_id = v_wait.wait_id;
    end loop;
end $$;

-- An arrival is worked off: p_step moves its instance on, or starts one; or p_incident {revision, reason} says why that
-- cannot be. Where the wait is over by now, a message looks for another one and anything else is void. state: applied,
-- failed, void, or gone (somebody else did it).
create or replace function public.settle_arrival(
    p_arrival_id uuid, p_step jsonb default null, p_incident jsonb default null)
returns table (state text, proc_inst_id uuid)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
declare
    v_tenant text := kernel.require_tenant();
    v_now timestamptz := kernel.now();
    v_arrival public.event_arrival;
    v_wait public.event_wait;
    v_instance uuid;
begin
    select w.proc_inst_id into v_instance from public.event_arrival a join public.event_wait w
        on w.tenant_id = a.tenant_id and w.wait_id = a.wait_id
    where a.tenant_id = v_tenant and a.arrival_id = p_arrival_id;
    perform from public.bpm_proc_inst i where i.tenant_id = v_tenant and i.id = v_instance for no key update;
    select a.* into v_arrival from public.event_arrival a
    where a.tenant_id = v_tenant and a.arrival_id = p_arrival_id and a.error is null for update;
    if not found then
        return query select 'gone', null::uuid;
        return;
    end if;
    select w.* into v_wait from public.event_wait w where w.tenant_id = v_tenant and w.wait_id = v_arrival.wait_id;
    if not found then
        perform kernel.redirect(v_arrival, v_now);
        return query select 'void', null::uuid;
        return;
    end if;
    if p_incident is not null then
        perform kernel.fail_arrival(v_arrival, v_wait, p_incident, v_now);
        return query select 'failed', v_wait.proc_inst_id;
        return;
    end if;
    delete from public.event_arrival a where a.tenant_id = v_tenant and a.arrival_id = p_arrival_id;
    if v_instance is null then
        v_instance := kernel.new_id();
        perform kernel.insert_instance(v_tenant, v_instance, v_wait.process_definition_id,
                                       v_wait.process_definition_version, v_arrival.initiator, v_now);
    end if;
    perform kernel.record_event(v_tenant, v_instance, null, 'EVENT_RECEIVED', kernel.actor(), v_arrival.name,
        jsonb_build_object('kind', v_arrival.kind, 'element_id', v_wait.element_id), v_now);
    perform kernel.apply_step(v_tenant, v_instance, p_step, kernel.actor(), v_now);
    perform kernel.keep_input(v_tenant, v_instance, p_step);
    return query select 'applied', v_instance;
end $$;

-- What came for a wait that is over: a message that has not expired is sent again.
create or replace function kernel.redirect(p_arrival public.event_arrival, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
begin
    delete from public.event_arrival a
    where a.tenant_id = p_arrival.tenant_id and a.arrival_id = p_arrival.arrival_id;
    if p_arrival.kind = 'message' and p_arrival.expires_at > p_now then
        perform kernel.lock_messages(p_arrival.tenant_id, array[p_arrival.name]);
        perform kernel.send_message(p_arrival.tenant_id, p_arrival.name, p_arrival.correlation_key, p_arrival.variables,
                                    p_arrival.expires_at, p_arrival.initiator, p_now, p_arrival.thrown_by);
    end if;
end $$;

-- The process cannot take an event: an incident.
create or replace function kernel.fail_arrival(
    p_arrival public.event_arrival, p_wait public.event_wait, p_incident jsonb, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
declare
    v_reason text := p_incident ->> 'reason';
    v_initiator text := p_arrival.initiator;
begin
    perform kernel.require_revision(p_wait.tenant_id, p_wait.proc_inst_id, (p_incident ->> 'revision')::int);
    update public.event_arrival a set error = v_reason, failed_at = p_now, proc_inst_id = p_wait.proc_inst_id,
        process_definition_id = p_wait.process_definition_id, element_id = p_wait.element_id
    where a.tenant_id = p_arrival.tenant_id and a.arrival_id = p_arrival.arrival_id;
    perform kernel.record_event(p_wait.tenant_id, p_wait.proc_inst_id, null, 'INCIDENT', 'kernel', v_reason,
        jsonb_build_object('kind', p_arrival.kind, 'element_id', p_wait.element_id, 'name', p_arrival.name,
                           'process_definition_id', p_wait.process_definition_id), p_now);
    update public.bpm_proc_inst i set status = 'ERROR', error = format('%s: %s', p_wait.element_id, v_reason)
    where i.tenant_id = p_wait.tenant_id and i.id = p_wait.proc_inst_id and i.status in ('RUNNING', 'ERROR')
    returning i.initiator into v_initiator;
    perform kernel.notify(p_wait.tenant_id, coalesce(v_initiator, p_arrival.initiator), 'INCIDENT', p_wait.proc_inst_id,
                          null, v_reason, p_now);
end $$;

-- p_call: {kind, name, request, response, outcome, input_tokens, output_tokens, cost_usd, latency_ms, call_key?,
-- occurrence?, replayable?, call_id?, idempotent?, diverged?, blobs?, lists?}. request and response are {body, parts};
-- blobs and lists hold what their parts name and the journal may not have yet. With call_id it is the answer to a call
-- that was started; written twice, a call is there once. diverged: {unreplayed} where it is the first call of this
-- attempt that an earlier one did not ask while that one's calls are still unasked.
create or replace function kernel.write_call(
    p_tenant_id text, p_task_id uuid, p_fencing_token bigint, p_call jsonb, p_now timestamptz) returns bigint
language plpgsql volatile set search_path = '' as $$
declare
    v_task public.todolist := kernel.claimed_task(p_tenant_id, p_task_id, p_fencing_token);
    v_call_id bigint;
    v_is_new boolean;
begin
    perform kernel.store_content(p_tenant_id, p_call);
    if p_call -> 'diverged' <> 'null' then
        perform kernel.record_event(p_tenant_id, v_task.proc_inst_id, p_task_id, 'CALL_DIVERGED',
            'pod:' || v_task.pod_id, p_call ->> 'name', p_call -> 'diverged' || jsonb_build_object(
                'attempt', v_task.attempt, 'kind', p_call ->> 'kind'), p_now);
    end if;
    if p_call ? 'call_id' then
        update public.journal j set response = p_call -> 'response' -> 'body',
            response_parts = p_call -> 'response' -> 'parts', outcome = p_call ->> 'outcome',
            latency_ms = (p_call ->> 'latency_ms')::int
        where j.tenant_id = p_tenant_id and j.call_id = (p_call ->> 'call_id')::bigint and j.task_id = p_task_id
        returning j.call_id into v_call_id;
        return v_call_id;
    end if;
    insert into public.journal as j (tenant_id, proc_inst_id, task_id, attempt, fencing_token, kind, name, request,
        request_parts, response, response_parts, outcome, call_key, occurrence, replayable, input_tokens, output_tokens,
        cost_usd, latency_ms, idempotent, "timestamp")
    values (p_tenant_id, v_task.proc_inst_id, p_task_id, v_task.attempt, p_fencing_token,
        (p_call ->> 'kind')::public.call_kind, p_call ->> 'name', p_call -> 'request' -> 'body',
        p_call -> 'request' -> 'parts', p_call -> 'response' -> 'body',
        coalesce(p_call -> 'response' -> 'parts', '[]'), p_call ->> 'outcome', p_call ->> 'call_key',
        (p_call ->> 'occurrence')::int, coalesce((p_call ->> 'replayable')::boolean, false),
        (p_call ->> 'input_tokens')::int, (p_call ->> 'output_tokens')::int, (p_call ->> 'cost_usd')::numeric,
        (p_call ->> 'latency_ms')::int, (p_call ->> 'idempotent')::boolean, p_now)
    on conflict (tenant_id, task_id, call_key, occurrence) where replayable
    do update set attempt = excluded.attempt, fencing_token = excluded.fencing_token,
        outcome = case when j.outcome = 'repeat' then 'started' else j.outcome end
    returning j.call_id, j.xmax = 0 into v_call_id, v_is_new;    -- a row that was inserted has no xmax
    if v_is_new then
        perform kernel.add_spend(p_tenant_id, p_fencing_token, p_call, p_now);
    end if;
    return v_call_id;
end $$;

-- For pods of the release before.
create or replace function public.record_call(
    p_tenant_id text, p_task_id uuid, p_fencing_token bigint, p_call jsonb)
returns table (call_id bigint)
language sql volatile security definer set search_path = '' as $$
    select w from kernel.write_call(p_tenant_id, p_task_id, p_fencing_token, p_call, kernel.now()) w where w is not null
$$;

-- In the order of hashes, so that two calls that store the same content cannot wait for each other.
create or replace function kernel.store_content(p_tenant_id text, p_call jsonb) returns void
language plpgsql volatile set search_path = '' as $$
begin
    if jsonb_array_length(p_call -> 'blobs') > 0 then
        insert into public.journal_blob (tenant_id, hash, body, parts)
        select p_tenant_id, decode(b ->> 'hash', 'hex'), b -> 'body', b -> 'parts'
        from jsonb_array_elements(p_call -> 'blobs') b order by b ->> 'hash'
        on conflict do nothing;
    end if;
    if jsonb_array_length(p_call -> 'lists') > 0 then
        insert into public.journal_list (tenant_id, hash, before, blob)
        select p_tenant_id, decode(l ->> 'hash', 'hex'), decode(l ->> 'before', 'hex'), decode(l ->> 'blob', 'hex')
        from jsonb_array_elements(p_call -> 'lists') l order by l ->> 'hash'
        on conflict do nothing;
    end if;
end $$;

-- Limits are {model_calls?, tool_calls?, tokens?, cost_usd?, run_seconds?, repeats?}: what one task may use in all its
-- runs. They come from the activity (todolist), the agent, the tenant and the pod; the strictest counts, and a person
-- may add to it (task_limit). The pod holds them against what the journal says (agent_pod/limiter.py).

create or replace function kernel.check_limits(p_limits jsonb, p_where text) returns void
language plpgsql immutable set search_path = '' as $$
declare
    v_kind text;
    v_most numeric;
begin
    for v_kind, v_most in
        select l.key, case when jsonb_typeof(l.value) = 'number' then l.value::numeric end from jsonb_each(p_limits) l
    loop
        if v_kind not in ('model_calls', 'tool_calls', 'tokens', 'cost_usd', 'run_seconds', 'repeats') then
            perform kernel.refuse('PT422', format('%s: there is no limit "%s".', p_where, v_kind), 'limit_unknown',
                'Use model_calls, tool_calls, tokens, cost_usd, run_seconds or repeats.');
        elsif v_most is null or v_most <= 0 or v_most > 1000000000000
              or v_kind <> 'cost_usd' and v_most <> trunc(v_most) then
            perform kernel.refuse('PT422', format('%s: %s is %s.', p_where, v_kind, p_limits -> v_kind), 'limit_number',
                'Use a number above 0 and up to 1000000000000; a whole one, except for cost_usd.');
        end if;
    end loop;
end $$;

drop function if exists kernel.add_spend(text, uuid, bigint, jsonb, timestamptz);
create or replace function kernel.add_spend(
    p_tenant_id text, p_fencing_token bigint, p_call jsonb, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
declare
    v_tokens bigint := (p_call ->> 'input_tokens')::bigint + (p_call ->> 'output_tokens')::bigint;
    v_cost numeric := coalesce((p_call ->> 'cost_usd')::numeric, 0);
begin
    if v_tokens = 0 and v_cost = 0 then
        return;
    end if;
    insert into public.tenant_spend as s (tenant_id, day, shard, tokens, cost_usd)
    values (p_tenant_id, (p_now at time zone 'UTC')::date, p_fencing_token % 8, v_tokens, v_cost)
    on conflict (tenant_id, day, shard) do update
    set tokens = s.tokens + excluded.tokens, cost_usd = s.cost_usd + excluded.cost_usd;
end $$;

-- What a tenant has spent in the periods at hand, {day: {begins_on, ends_at, tokens, cost_usd}, month: ...}.
create or replace function kernel.spent(p_tenant_id text, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_object_agg(p.period, jsonb_build_object('tokens', s.tokens, 'cost_usd', s.cost_usd,
        'begins_on', p.begins::date, 'ends_at', (p.begins + ('1 ' || p.period)::interval) at time zone 'UTC'))
    from unnest(array['day', 'month']) u(period),
         lateral (select u.period, date_trunc(u.period, p_now at time zone 'UTC') as begins) p,
         lateral (select coalesce(sum(t.tokens), 0) as tokens, coalesce(sum(t.cost_usd), 0) as cost_usd
                  from public.tenant_spend t where t.tenant_id = p_tenant_id and t.day >= p.begins::date) s
$$;

-- {budget, spent} of a tenant that has a budget, else null.
create or replace function kernel.budget_of(p_tenant_id text, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object('budget', t.budget, 'spent', kernel.spent(p_tenant_id, p_now))
    from public.tenants t where t.tenant_id = p_tenant_id and t.budget <> '{}'
$$;

create or replace function kernel.added_limits(p_tenant_id text, p_task_id uuid) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(jsonb_object_agg(l.kind, l.added) filter (where l.added > 0), '{}') from public.task_limit l
    where l.tenant_id = p_tenant_id and l.task_id = p_task_id
$$;

-- What a run of the task is held against. added: what people added; warned: what they were told of; used: in the runs
-- before; budget: see kernel.budget_of.
create or replace function public.task_limits(p_tenant_id text, p_task_id uuid, p_fencing_token bigint)
returns table (activity jsonb, agent jsonb, tenant jsonb, added jsonb, warned jsonb, used jsonb, budget jsonb)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
declare
    v_task public.todolist := kernel.claimed_task(p_tenant_id, p_task_id, p_fencing_token);
begin
    return query
    select coalesce(v_task.limits, '{}'),
        coalesce((select a.limits from public.agent_profile a
                  where a.tenant_id = p_tenant_id and a.agent_id = v_task.agent_id), '{}'),
        t.limits, kernel.added_limits(p_tenant_id, p_task_id),
        (select coalesce(jsonb_agg(l.kind) filter (where l.warned_at is not null), '[]') from public.task_limit l
         where l.tenant_id = p_tenant_id and l.task_id = p_task_id),
        (select jsonb_build_object('model_calls', count(*) filter (where j.kind <> 'tool'),
            'tool_calls', count(*) filter (where j.kind = 'tool'),
            'tokens', coalesce(sum(j.input_tokens::bigint + j.output_tokens), 0),
            'cost_usd', coalesce(sum(j.cost_usd), 0), 'run_seconds', v_task.ran_seconds)
         from public.journal j where j.tenant_id = p_tenant_id and j.task_id = p_task_id),
        kernel.budget_of(p_tenant_id, kernel.now())
    from public.tenants t where t.tenant_id = p_tenant_id;
end $$;

-- Writes a call (p_call as in kernel.write_call), and tells what a pod wants to know after it: what people added to the
-- limits meanwhile, and the budget. The second statement has a snapshot of its own, in which the call is there.
create or replace function public.journal_call(
    p_tenant_id text, p_task_id uuid, p_fencing_token bigint, p_call jsonb)
returns table (call_id bigint, added jsonb, budget jsonb)
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_now timestamptz := kernel.now();
begin
    call_id := kernel.write_call(p_tenant_id, p_task_id, p_fencing_token, p_call, v_now);
    added := kernel.added_limits(p_tenant_id, p_task_id);
    budget := kernel.budget_of(p_tenant_id, v_now);
    return next;
end $$;

-- A limit of the task is near (p_period null), or the tenant's budget for a day or month: one event for each.
-- p_data: {used, most, set_by}.
create or replace function public.warn_of_limit(
    p_tenant_id text, p_task_id uuid, p_fencing_token bigint, p_kind text, p_data jsonb, p_period text default null)
returns table (warned boolean)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
declare
    v_task public.todolist := kernel.claimed_task(p_tenant_id, p_task_id, p_fencing_token);
    v_now timestamptz := kernel.now();
begin
    if p_period is null then
        insert into public.task_limit as l (tenant_id, task_id, kind, warned_at)
        values (p_tenant_id, p_task_id, p_kind, v_now)
        on conflict (tenant_id, task_id, kind) do update set warned_at = v_now where l.warned_at is null;
    else
        insert into public.budget_warning (tenant_id, period, begins_on, kind, warned_at)
        values (p_tenant_id, p_period, date_trunc(p_period, v_now at time zone 'UTC')::date, p_kind, v_now)
        on conflict do nothing;
    end if;
    if found then
        perform kernel.record_event(p_tenant_id, v_task.proc_inst_id, p_task_id, 'LIMIT_NEAR', 'pod:' || v_task.pod_id,
            format('%s: %s of %s', p_kind, p_data ->> 'used', p_data ->> 'most'),
            p_data || jsonb_build_object('limit', p_kind, 'period', p_period), v_now);
    end if;
    return query select found;
end $$;

-- What a new run of the task finds answered, or started and never answered, in the order of the calls.
create or replace function public.journalled_calls(p_tenant_id text, p_task_id uuid, p_fencing_token bigint)
returns table (call_id bigint, call_key text, occurrence int, outcome text)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
begin
    perform kernel.claimed_task(p_tenant_id, p_task_id, p_fencing_token);
    return query select j.call_id, j.call_key, j.occurrence, j.outcome from public.journal j
    where j.tenant_id = p_tenant_id and j.task_id = p_task_id and j.replayable order by j.call_id;
end $$;

-- The answers of the calls p_call_ids (an array of ids), whole and in that order: the first, and as many more as come to
-- less than a megabyte together.
create or replace function public.replay_calls(
    p_tenant_id text, p_task_id uuid, p_fencing_token bigint, p_call_ids jsonb)
returns table (call_id bigint, response jsonb, outcome text)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
declare
    v_call_id bigint;
    v_bytes bigint := 0;
begin
    perform kernel.claimed_task(p_tenant_id, p_task_id, p_fencing_token);
    foreach v_call_id in array array(select a::bigint from jsonb_array_elements_text(p_call_ids) a) loop
        select j.call_id, kernel.unpacked(p_tenant_id, j.response, j.response_parts), j.outcome
        into call_id, response, outcome from public.journal j
        where j.tenant_id = p_tenant_id and j.task_id = p_task_id and j.call_id = v_call_id and j.replayable;
        continue when not found;
        exit when v_bytes > 0 and v_bytes + pg_column_size(response) > 1000000;
        v_bytes := v_bytes + pg_column_size(response);
        return next;
    end loop;
end $$;

-- For pods of the release before.
create or replace function public.replay_call(
    p_tenant_id text, p_task_id uuid, p_fencing_token bigint, p_call_id bigint)
returns table (response jsonb, outcome text)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
begin
    perform kernel.claimed_task(p_tenant_id, p_task_id, p_fencing_token);
    return query select kernel.unpacked(p_tenant_id, j.response, j.response_parts), j.outcome from public.journal j
    where j.tenant_id = p_tenant_id and j.task_id = p_task_id and j.call_id = p_call_id and j.replayable;
end $$;

-- After a failed attempt: a tool's error may have passed. Where the answers themselves led to the failure (p_afresh),
-- the model is asked again as well. What tools did stays done.
create or replace function kernel.forget_calls(p_task public.todolist, p_afresh boolean) returns void
language sql volatile set search_path = '' as $$
    update public.journal j set replayable = false
    where j.tenant_id = p_task.tenant_id and j.task_id = p_task.task_id and j.replayable
      and (j.outcome = 'error' or (p_afresh and j.kind <> 'tool'))
$$;

create or replace function public.report_progress(
    p_tenant_id text, p_task_id uuid, p_fencing_token bigint, p_message text, p_data jsonb default null)
returns table (task_id uuid)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
declare
    v_task public.todolist := kernel.claimed_task(p_tenant_id, p_task_id, p_fencing_token);
begin
    perform kernel.record_event(p_tenant_id, v_task.proc_inst_id, p_task_id, 'TASK_PROGRESS', 'pod:' || v_task.pod_id,
                                p_message, p_data, kernel.now());
    return query select p_task_id;
end $$;

-- A call of a running task asks. p_question: {kind, question, form?, assignee?, candidate_groups?, due_at?, seconds?,
-- fails?}; seconds count from now. Asked again by the same call, it is the question that is there, opened again where
-- its answer was to run the tool again. Whom it reaches: the assignee or the groups, else who started the instance.
create or replace function public.ask_question(
    p_tenant_id text, p_task_id uuid, p_fencing_token bigint, p_call_id bigint, p_question jsonb)
returns table (question_id uuid, due_at timestamptz)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
declare
    v_task public.todolist := kernel.claimed_task(p_tenant_id, p_task_id, p_fencing_token);
    v_now timestamptz := kernel.now();
    v_question public.task_question;
begin
    insert into public.task_question as q (tenant_id, question_id, proc_inst_id, task_id, call_id, kind, question, form,
        assignee, candidate_groups, due_at, fails, status, created_at)
    values (p_tenant_id, kernel.new_id(), v_task.proc_inst_id, p_task_id, p_call_id, p_question ->> 'kind',
        p_question ->> 'question', nullif(p_question -> 'form', 'null'), p_question ->> 'assignee',
        coalesce(nullif(p_question -> 'candidate_groups', 'null'), '[]'),
        coalesce((p_question ->> 'due_at')::timestamptz,
                 v_now + (p_question ->> 'seconds')::double precision * interval '1 second'),
        coalesce((p_question ->> 'fails')::boolean, false), 'open', v_now)
    on conflict (tenant_id, task_id, call_id) do update set status = 'open', answer = null, answered_by = null,
        answered_at = null, created_at = v_now
    where q.status <> 'open' and exists (select from public.journal j where j.tenant_id = p_tenant_id
                                         and j.call_id = p_call_id and j.outcome = 'started')
    returning q.* into v_question;
    if found and v_question.kind <> 'timer' then
        perform kernel.record_event(p_tenant_id, v_task.proc_inst_id, p_task_id, 'QUESTION_ASKED',
            'pod:' || v_task.pod_id, v_question.question, jsonb_build_object('question_id', v_question.question_id),
            v_now);
        perform kernel.notify(p_tenant_id, u.user_id, 'TASK_ASSIGNED', v_task.proc_inst_id, p_task_id,
                              v_question.question, v_now)
        from (select v_question.assignee as user_id where v_question.assignee is not null
              union select 'group:' || g from jsonb_array_elements_text(v_question.candidate_groups) g
              union select i.initiator from public.bpm_proc_inst i
              where i.tenant_id = p_tenant_id and i.id = v_task.proc_inst_id and v_question.assignee is null
                and v_question.candidate_groups = '[]') u;
    end if;
    return query select q.question_id, q.due_at from public.task_question q
    where q.tenant_id = p_tenant_id and q.task_id = p_task_id and q.call_id = p_call_id;
end $$;

-- The answer of a call that asked, as far as there is one: what is due is expired first.
create or replace function public.await_answer(
    p_tenant_id text, p_task_id uuid, p_fencing_token bigint, p_call_id bigint)
returns table (response jsonb, outcome text)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
declare
    v_now timestamptz := kernel.now();
    v_question public.task_question;
begin
    perform kernel.claimed_task(p_tenant_id, p_task_id, p_fencing_token);
    select q.* into v_question from public.task_question q
    where q.tenant_id = p_tenant_id and q.task_id = p_task_id and q.call_id = p_call_id and q.status = 'open'
      and q.due_at <= v_now for no key update;
    if found then
        perform kernel.expire_question(v_question, v_now);
    end if;
    return query select j.response, j.outcome from public.journal j
    where j.tenant_id = p_tenant_id and j.task_id = p_task_id and j.call_id = p_call_id;
end $$;

-- The task waits: it leaves its pod, and the attempt does not count. Where an answer has come meanwhile (p_call_ids:
-- the calls that ask), it goes on instead. state: waiting or answered.
create or replace function public.suspend_task(
    p_tenant_id text, p_task_id uuid, p_fencing_token bigint, p_call_ids jsonb)
returns table (state text)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
declare
    v_task public.todolist;
    v_now timestamptz := kernel.now();
begin
    select t.* into v_task from public.todolist t
    where t.tenant_id = p_tenant_id and t.task_id = p_task_id and t.fencing_token = p_fencing_token
      and t.status::text = 'IN_PROGRESS' for no key update;
    if not found then
        perform kernel.refuse_stale();
    end if;
    if exists (select from public.task_question q where q.tenant_id = p_tenant_id and q.task_id = p_task_id
               and p_call_ids @> to_jsonb(q.call_id) and q.status <> 'open') then
        return query select 'answered';
        return;
    end if;
    update public.todolist t set status = 'WAITING', attempt = t.attempt - 1, lease_expires_at = null,
        ran_seconds = kernel.ran_seconds(t, v_now)
    where t.tenant_id = p_tenant_id and t.task_id = p_task_id;
    perform kernel.record_event(p_tenant_id, v_task.proc_inst_id, p_task_id, 'TASK_SUSPENDED', 'pod:' || v_task.pod_id,
                                v_task.name, jsonb_build_object('attempt', v_task.attempt), v_now);
    return query select 'waiting';
end $$;

-- A question is over: its call has p_response, and its task goes on where it waits. The task was locked before.
create or replace function kernel.settle_question(
    p_question public.task_question, p_status text, p_answer jsonb, p_by text, p_response jsonb, p_outcome text,
    p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
declare
    v_task public.todolist;
begin
    update public.task_question q set status = p_status, answer = p_answer, answered_by = p_by, answered_at = p_now
    where q.tenant_id = p_question.tenant_id and q.question_id = p_question.question_id;
    update public.journal j set outcome = p_outcome, response = p_response, response_parts = '[]',
        latency_ms = least(extract(epoch from p_now - j."timestamp") * 1000, 2147483647)::int
    where j.tenant_id = p_question.tenant_id and j.call_id = p_question.call_id;
    update public.todolist t set status = 'PENDING',
        available_at = case when t.limited then 'infinity'::timestamptz end,
        fair_rank = kernel.fair_rank(t.tenant_id, t.agent_orch, t.priority, p_now)
    where t.tenant_id = p_question.tenant_id and t.task_id = p_question.task_id and t.status::text = 'WAITING'
    returning t.* into v_task;
    if not found then
        return;
    end if;
    perform kernel.record_event(v_task.tenant_id, v_task.proc_inst_id, v_task.task_id, 'TASK_RESUMED',
        coalesce(p_by, 'kernel'), v_task.name, jsonb_build_object('question_id', p_question.question_id), p_now);
    if kernel.hold_back(v_task) then
        return;
    elsif v_task.limited then
        perform kernel.admit(v_task.tenant_id, p_now);
    else
        perform kernel.wake(true);
    end if;
end $$;

create or replace function kernel.expire_question(p_question public.task_question, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
declare
    v_nobody text := format('nobody answered by %s', to_char(p_question.due_at at time zone 'UTC',
                                                            'YYYY-MM-DD"T"HH24:MI:SS"Z"'));
begin
    perform kernel.settle_question(p_question, 'expired', null, null,
        case when p_question.kind = 'timer' then jsonb_build_object('waited_until', p_question.due_at)
             when p_question.fails then jsonb_build_object('error', v_nobody)
             else jsonb_build_object('answered', false, 'reason', v_nobody) end,
        case when p_question.fails then 'error' else 'ok' end, p_now);
end $$;

-- Upkeep: waits whose time has come. Tasks are locked before questions, by everybody.
create or replace function kernel.expire_questions(p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
declare
    v_due public.task_question;
begin
    for v_due in
        select q.* from public.task_question q where q.status = 'open' and q.due_at <= p_now order by q.due_at limit 100
    loop
        perform from public.todolist t where t.tenant_id = v_due.tenant_id and t.task_id = v_due.task_id
        for no key update skip locked;
        continue when not found;
        select q.* into v_due from public.task_question q
        where q.tenant_id = v_due.tenant_id and q.question_id = v_due.question_id and q.status = 'open'
        for no key update;
        if found then
            perform kernel.expire_question(v_due, p_now);
        end if;
    end loop;
end $$;

-- The enabled tool servers of a running task's tenant, with their credentials: for the pod that holds the task.
create or replace function public.task_mcp_servers(p_tenant_id text, p_task_id uuid, p_fencing_token bigint)
returns table (name text, url text, headers jsonb, allowed_tools jsonb, idempotent_tools jsonb, timeout_seconds int,
               updated_at timestamptz)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
begin
    perform kernel.claimed_task(p_tenant_id, p_task_id, p_fencing_token);
    return query select m.name, m.url, m.headers, m.allowed_tools, m.idempotent_tools, m.timeout_seconds, m.updated_at
    from public.mcp_server m where m.tenant_id = p_tenant_id and m.enabled order by m.name;
end $$;

-- == 8. For the API ==================================================================================================
-- The tenant is the one of the caller's verified claims.

-- Platform's own: no program's role may call these two.
create or replace function public.create_tenant(p_tenant_id text, p_name text) returns setof public.tenants
language plpgsql volatile security definer set search_path = '' as $$
begin
    insert into public.tenants (tenant_id, name, created_at) values (p_tenant_id, p_name, kernel.now())
    on conflict do nothing;
    return query select t.* from public.tenants t where t.tenant_id = p_tenant_id;
exception when check_violation then
    perform kernel.refuse('PT422', format('tenant_id "%s" is not a name of a tenant.', p_tenant_id), 'tenant_id',
                          'Use at most 63 lower-case letters, digits, - and _, and begin with a letter or digit.');
end $$;

-- A tenant's share of the pods (weight; others have 1), and the most tasks it may have running and waiting (null: any
-- number). What waits already may be more.
drop function if exists public.set_tenant_share(text, numeric, int);
create or replace function public.set_tenant_share(
    p_tenant_id text, p_weight numeric, p_max_running int, p_max_waiting int default null)
returns setof public.tenants
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_limited boolean := p_max_running is not null;
begin
    if p_weight is null or p_weight not between 0.01 and 100 then
        perform kernel.refuse('PT422', format('weight %s', p_weight), 'weight', 'A weight is 0.01 to 100.');
    end if;
    if p_max_running < 1 then
        perform kernel.refuse('PT422', format('max_running %s', p_max_running), 'max_running',
                              'Use 1 or more, or null for no limit.');
    end if;
    if p_max_waiting not between 1 and 100000 then
        perform kernel.refuse('PT422', format('max_waiting %s', p_max_waiting), 'max_waiting',
                              'Use 1 to 100000, or null for no limit.');
    end if;
    update public.tenants t set weight = p_weight, max_running = p_max_running, max_waiting = p_max_waiting
    where t.tenant_id = p_tenant_id;
    if not found then
        perform kernel.refuse('PT404', format('There is no tenant "%s".', p_tenant_id), 'tenant_not_found');
    end if;
    update public.todolist t set limited = v_limited, available_at = case
        when t.status <> 'PENDING' or isfinite(t.available_at) then t.available_at
        when v_limited then 'infinity'::timestamptz end
    where t.tenant_id = p_tenant_id and t.agent_orch is not null and t.limited <> v_limited and not t.stopped
      and t.status in ('PENDING', 'IN_PROGRESS', 'WAITING');
    if v_limited then
        perform kernel.admit(p_tenant_id, kernel.now());
    else
        perform kernel.wake(true);
    end if;
    return query select t.* from public.tenants t where t.tenant_id = p_tenant_id;
end $$;

-- The retry policy of a tenant's tasks, for those that have none of their own; null: the default. See
-- kernel.retry_policy. Holds from the next failed attempt on.
create or replace function public.set_tenant_retries(p_tenant_id text, p_policy jsonb) returns setof public.tenants
language plpgsql volatile security definer set search_path = '' as $$
begin
    if p_policy is not null then
        perform kernel.check_retry_policy(p_policy);
    end if;
    return query update public.tenants t set retry_policy = p_policy where t.tenant_id = p_tenant_id returning t.*;
    if not found then
        perform kernel.refuse('PT404', format('There is no tenant "%s".', p_tenant_id), 'tenant_not_found');
    end if;
end $$;

-- Limits of each task of a tenant (see chapter 7), and its budget {day?: {tokens?, cost_usd?}, month?: ...}.
create or replace function public.set_tenant_limits(p_tenant_id text, p_limits jsonb, p_budget jsonb)
returns setof public.tenants
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_period text;
begin
    perform kernel.check_limits(p_limits, 'limits');
    for v_period in select jsonb_object_keys(p_budget) loop
        if v_period not in ('day', 'month') or (p_budget -> v_period) - array['tokens', 'cost_usd'] <> '{}' then
            perform kernel.refuse('PT422', format('budget: %s', p_budget), 'budget',
                                  'Use {"day": {"tokens": ..., "cost_usd": ...}, "month": ...}.');
        end if;
        perform kernel.check_limits(p_budget -> v_period, 'budget of the ' || v_period);
    end loop;
    return query update public.tenants t set limits = p_limits, budget = p_budget where t.tenant_id = p_tenant_id
    returning t.*;
    if not found then
        perform kernel.refuse('PT404', format('There is no tenant "%s".', p_tenant_id), 'tenant_not_found');
    end if;
    delete from public.budget_warning w where w.tenant_id = p_tenant_id;
end $$;

drop function if exists public.create_api_key(text, text, text);
create or replace function public.create_api_key(
    p_tenant_id text, p_name text, p_key_hash text, p_role text default 'admin', p_scopes jsonb default null,
    p_expires_at timestamptz default null)
returns table (key_id uuid)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
begin
    return query
    insert into public.api_key as k (tenant_id, key_id, name, key_hash, created_at, role, scopes, created_by, expires_at)
    values (p_tenant_id, kernel.new_id(), p_name, p_key_hash, kernel.now(), p_role, p_scopes, kernel.actor(),
            p_expires_at)
    on conflict (key_hash) do update set name = excluded.name where k.tenant_id = excluded.tenant_id
    returning k.key_id;
    if not found then
        perform kernel.refuse('PT409', 'This key opens another tenant already.', 'api_key_taken', 'Use another key.');
    end if;
exception when foreign_key_violation then
    perform kernel.refuse('PT404', format('There is no tenant "%s".', p_tenant_id), 'tenant_unknown',
                          'Create the tenant first.');
end $$;

-- Whose key it is: a current one, or the one before it while that is still valid.
drop function if exists public.authenticate_api_key(text);
create or replace function public.authenticate_api_key(p_key_hash text)
returns table (tenant_id text, key_id uuid, name text, role text, scopes jsonb, use_is_noted boolean)
language sql stable security definer set search_path = '' as $$
    select k.tenant_id, k.key_id, k.name, k.role, k.scopes,
           coalesce(k.last_used_at > t.now - interval '1 minute', false)
    from public.api_key k, (select kernel.now() as now) t
    where (k.key_hash = p_key_hash or k.old_key_hash = p_key_hash and k.old_key_until > t.now)
      and k.revoked_at is null and (k.expires_at is null or k.expires_at > t.now)
$$;

-- At most once a minute per key, so that reading does not become writing.
create or replace function public.note_api_key_use(p_tenant_id text, p_key_id uuid) returns table (key_id uuid)
language sql volatile security definer set search_path = '' as $$
    update public.api_key k set last_used_at = t.now from (select kernel.now() as now) t
    where k.tenant_id = p_tenant_id and k.key_id = p_key_id
      and (k.last_used_at is null or k.last_used_at <= t.now - interval '1 minute')
    returning k.key_id
$$;

-- A key as its tenant sees it: without any hash.
create or replace function public.find_api_keys(
    p_key_id uuid default null, p_before uuid default null, p_limit int default 500)
returns table (key_id uuid, name text, role text, scopes jsonb, created_by text, created_at timestamptz,
               expires_at timestamptz, last_used_at timestamptz, old_key_until timestamptz, revoked_at timestamptz)
language sql stable security definer set search_path = '' as $$
    select k.key_id, k.name, k.role, k.scopes, k.created_by, k.created_at, k.expires_at, k.last_used_at,
           k.old_key_until, k.revoked_at
    from public.api_key k
    where k.tenant_id = kernel.require_tenant() and (p_key_id is null or k.key_id = p_key_id)
      and (p_before is null or k.key_id < p_before)
    order by k.key_id desc limit least(p_limit, 500)
$$;

-- The three ways to change a key of the caller's tenant.
create or replace function public.make_api_key(
    p_name text, p_key_hash text, p_role text, p_scopes jsonb, p_expires_at timestamptz)
returns table (key_id uuid)
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_tenant text := kernel.require_tenant();
    v_key_id uuid;
begin
    if p_expires_at <= kernel.now() then
        perform kernel.refuse('PT422', format('expires_at %s is over already.', p_expires_at), 'expires_at',
                              'Choose a time to come, or leave it out.');
    end if;
    select c.key_id into v_key_id
    from public.create_api_key(v_tenant, p_name, p_key_hash, p_role, p_scopes, p_expires_at) c;
    perform kernel.record_event(v_tenant, null, null, 'API_KEY_CHANGED', kernel.actor(), 'created ' || p_name,
        jsonb_build_object('key_id', v_key_id, 'role', p_role, 'scopes', p_scopes), kernel.now());
    return query select v_key_id;
end $$;

create or replace function kernel.lock_api_key(p_tenant_id text, p_key_id uuid) returns public.api_key
language plpgsql volatile set search_path = '' as $$
declare
    v_key public.api_key;
begin
    select k.* into v_key from public.api_key k where k.tenant_id = p_tenant_id and k.key_id = p_key_id for update;
    if not found then
        perform kernel.refuse('PT404', format('There is no API key %s.', p_key_id), 'api_key_unknown',
                              'GET /api-keys lists them.');
    elsif v_key.revoked_at is not null then
        perform kernel.refuse('PT409', format('API key %s was revoked.', p_key_id), 'api_key_revoked',
                              'Create a new one.');
    end if;
    return v_key;
end $$;

create or replace function public.rotate_api_key(p_key_id uuid, p_key_hash text, p_grace_seconds int)
returns table (key_id uuid)
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_tenant text := kernel.require_tenant();
    v_now timestamptz := kernel.now();
    v_key public.api_key := kernel.lock_api_key(v_tenant, p_key_id);
begin
    update public.api_key k set key_hash = p_key_hash, old_key_hash = v_key.key_hash,
        old_key_until = v_now + p_grace_seconds * interval '1 second'
    where k.tenant_id = v_tenant and k.key_id = p_key_id;
    perform kernel.record_event(v_tenant, null, null, 'API_KEY_CHANGED', kernel.actor(), 'rotated ' || v_key.name,
        jsonb_build_object('key_id', p_key_id, 'grace_seconds', p_grace_seconds), v_now);
    return query select p_key_id;
end $$;

create or replace function public.revoke_api_key(p_key_id uuid) returns table (key_id uuid)
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_tenant text := kernel.require_tenant();
    v_now timestamptz := kernel.now();
    v_key public.api_key := kernel.lock_api_key(v_tenant, p_key_id);
begin
    update public.api_key k set revoked_at = v_now where k.tenant_id = v_tenant and k.key_id = p_key_id;
    perform kernel.record_event(v_tenant, null, null, 'API_KEY_CHANGED', kernel.actor(), 'revoked ' || v_key.name,
        jsonb_build_object('key_id', p_key_id), v_now);
    return query select p_key_id;
end $$;

-- Adds a version; where BPMN and spec are the newest version's, it gives that version again. The spec differs for the
-- same BPMN where the file pins the versions of what it calls, or this program reads it in another way than before.
create or replace function public.deploy_definition(p_id text, p_name text, p_bpmn text, p_spec jsonb,
                                                    p_orchestrators jsonb)
returns table (id text, version int, name text, deployed_by text, created_at timestamptz, is_new boolean)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
declare
    v_tenant text := kernel.require_tenant();
    v_sha text := encode(sha256(convert_to(p_bpmn, 'UTF8')), 'hex');
    v_newest public.process_def;
    v_unknown text;
begin
    select string_agg(o, ', ' order by o) into v_unknown from jsonb_array_elements_text(p_orchestrators) o
    where not exists (select from public.agent_orch a where a.id = o);
    if v_unknown is not null then
        perform kernel.refuse('PT422', format('orchestrator not registered: %s', v_unknown), 'orchestrator_unknown',
            format('Start a pod that serves it, or use one of: %s.',
                   coalesce((select string_agg(a.id, ', ' order by a.id) from public.agent_orch a), '(none yet)')));
    end if;
    perform pg_advisory_xact_lock(hashtextextended(v_tenant || ' ' || p_id, 0));
    select d.* into v_newest from public.process_def d where d.tenant_id = v_tenant and d.id = p_id
    order by d.version desc limit 1;
    if v_newest.bpmn_sha256 = v_sha and v_newest.spec = p_spec then
        return query select v_newest.id, v_newest.version, v_newest.name, v_newest.deployed_by, v_newest.created_at, false;
        return;
    end if;
    return query
    insert into public.process_def (tenant_id, id, version, name, bpmn, spec, bpmn_sha256, deployed_by, created_at)
    values (v_tenant, p_id, coalesce(v_newest.version, 0) + 1, p_name, p_bpmn, p_spec, v_sha, kernel.actor(),
            kernel.now())
    returning process_def.id, process_def.version, process_def.name, process_def.deployed_by,
              process_def.created_at, true;
    perform kernel.replace_starts(v_tenant, p_id, coalesce(v_newest.version, 0) + 1,
                                  coalesce(p_spec -> 'starts', '[]'), kernel.now());
    perform kernel.record_event(v_tenant, null, null, 'DEFINITION_DEPLOYED', kernel.actor(), p_name, jsonb_build_object(
        'process_definition_id', p_id, 'version', coalesce(v_newest.version, 0) + 1), kernel.now());
end $$;

-- Adds a version of each decision of a DMN file, in their order. p_decisions: [{id, name, spec}]. A decision whose
-- newest version is of the same file gives that version again.
create or replace function public.deploy_decisions(p_dmn text, p_decisions jsonb)
returns table (id text, version int, name text, deployed_by text, created_at timestamptz, is_new boolean)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
declare
    v_tenant text := kernel.require_tenant();
    v_sha text := encode(sha256(convert_to(p_dmn, 'UTF8')), 'hex');
    v_decision jsonb;
    v_newest public.decision_def;
    v_version int;
begin
    perform pg_advisory_xact_lock(hashtextextended(v_tenant || ' decisions', 0));
    for v_decision in select d from jsonb_array_elements(p_decisions) d loop
        select d.* into v_newest from public.decision_def d where d.tenant_id = v_tenant and d.id = v_decision ->> 'id'
        order by d.version desc limit 1;
        if v_newest.dmn_sha256 = v_sha and v_newest.spec = v_decision -> 'spec' then
            return query select v_newest.id, v_newest.version, v_newest.name, v_newest.deployed_by, v_newest.created_at,
                                false;
            continue;
        end if;
        v_version := coalesce(v_newest.version, 0) + 1;
        return query
        insert into public.decision_def (tenant_id, id, version, name, dmn, spec, dmn_sha256, deployed_by, created_at)
        values (v_tenant, v_decision ->> 'id', v_version, v_decision ->> 'name', p_dmn, v_decision -> 'spec', v_sha,
                kernel.actor(), kernel.now())
        returning decision_def.id, decision_def.version, decision_def.name, decision_def.deployed_by,
                  decision_def.created_at, true;
        perform kernel.record_event(v_tenant, null, null, 'DEFINITION_DEPLOYED', kernel.actor(), v_decision ->> 'name',
            jsonb_build_object('decision_id', v_decision ->> 'id', 'version', v_version), kernel.now());
    end loop;
end $$;

-- What an idempotency key stood for before, or nothing (then it is taken now, for this).
create or replace function kernel.recall(
    p_tenant_id text, p_key text, p_fingerprint text, p_proc_inst_id uuid, p_task_id uuid)
returns setof public.idempotency_key
language plpgsql volatile set search_path = '' as $$
declare
    v_earlier public.idempotency_key;
begin
    if p_key is null then
        return;
    end if;
    insert into public.idempotency_key (tenant_id, key, fingerprint, proc_inst_id, task_id, created_at)
    values (p_tenant_id, p_key, p_fingerprint, p_proc_inst_id, p_task_id, kernel.now())
    on conflict do nothing;
    if found then
        return;
    end if;
    select k.* into v_earlier from public.idempotency_key k where k.tenant_id = p_tenant_id and k.key = p_key;
    if v_earlier.fingerprint <> p_fingerprint then
        perform kernel.refuse('PT422', format('Idempotency-Key "%s" was used for another request.', p_key),
                              'idempotency_key_reused', 'Use a new key for a new request.');
    end if;
    return next v_earlier;
end $$;

create or replace function kernel.insert_instance(
    p_tenant_id text, p_proc_inst_id uuid, p_definition_id text, p_version int, p_initiator text, p_now timestamptz)
returns void
language plpgsql volatile set search_path = '' as $$
begin
    insert into public.bpm_proc_inst (tenant_id, id, process_definition_id, process_definition_version, initiator,
        status, variables, state, revision, start_time)
    values (p_tenant_id, p_proc_inst_id, p_definition_id, p_version, p_initiator, 'RUNNING', '{}', '{}', 0, p_now);
    perform kernel.record_event(p_tenant_id, p_proc_inst_id, null, 'INSTANCE_STARTED', kernel.actor(), p_initiator,
        jsonb_build_object('process_definition_id', p_definition_id, 'version', p_version), p_now);
end $$;

-- Starts an instance with the engine's first step (see kernel.apply_step; its revision is 0). Returns the instance
-- that the idempotency key already made, where there is one; else PT429 where the tenant has too many tasks waiting.
create or replace function public.start_instance(
    p_process_definition_id text, p_version int, p_initiator text, p_step jsonb,
    p_idempotency_key text default null, p_fingerprint text default null)
returns table (proc_inst_id uuid, replayed boolean)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
declare
    v_tenant text := kernel.require_tenant();
    v_now timestamptz := kernel.now();
    v_id uuid := kernel.new_id();
    v_earlier public.idempotency_key;
begin
    select * into v_earlier from kernel.recall(v_tenant, p_idempotency_key, p_fingerprint, v_id, null);
    if found then
        return query select v_earlier.proc_inst_id, true;
        return;
    end if;
    perform kernel.require_room(v_tenant, kernel.count_agents_tasks(p_step -> 'tasks'), true, v_now);
    perform kernel.insert_instance(v_tenant, v_id, p_process_definition_id, p_version, p_initiator, v_now);
    perform kernel.apply_step(v_tenant, v_id, p_step, kernel.actor(), v_now);
    perform kernel.keep_input(v_tenant, v_id, p_step);
    return query select v_id, false;
end $$;

-- Who works: the person of a user token, or the program behind an API key.
create or replace function kernel.worker() returns text
language sql stable set search_path = '' as $$
    select coalesce(kernel.claims() ->> 'person', kernel.actor())
$$;

-- Whether the caller may act on tasks of others. Claims without scopes are those of a program of the fleet itself.
create or replace function kernel.supervises() returns boolean
language sql stable set search_path = '' as $$
    select coalesce(kernel.claims() -> 'scopes' ? 'operate', true)
$$;

-- Whether a task is for the caller: the assignee's alone, or where there is none the candidates', or everybody's.
create or replace function kernel.is_for_caller(p_assignee text, p_candidate_groups jsonb) returns boolean
language sql stable set search_path = '' as $$
    select case when p_assignee is not null then lower(p_assignee) = lower(kernel.worker())
                else p_candidate_groups = '[]' or p_candidate_groups ? kernel.worker() or p_candidate_groups ?| array(
                    select jsonb_array_elements_text(coalesce(kernel.claims() -> 'groups', '[]'))) end
$$;

create or replace function kernel.require_task_of_caller(p_task public.todolist) returns void
language plpgsql stable set search_path = '' as $$
begin
    if not (kernel.is_for_caller(p_task.assignee, p_task.candidate_groups) or kernel.supervises()) then
        perform kernel.refuse('PT403', format('Task %s is for %s.', p_task.task_id,
            coalesce(p_task.assignee, 'the groups ' || (select string_agg(g, ', ' order by g) from
                jsonb_array_elements_text(p_task.candidate_groups) g))), 'task_foreign',
            'Ask them, or somebody with the role operator to reassign it.');
    end if;
end $$;

-- A task, locked behind its instance, which everybody locks first. Refused where there is none; p_remedy: where to look.
create or replace function kernel.locked_task(p_tenant_id text, p_task_id uuid, p_remedy text) returns public.todolist
language plpgsql volatile set search_path = '' as $$
declare
    v_task public.todolist;
begin
    perform from public.bpm_proc_inst i where i.tenant_id = p_tenant_id and i.id = (
        select t.proc_inst_id from public.todolist t where t.tenant_id = p_tenant_id and t.task_id = p_task_id)
    for no key update;
    select t.* into v_task from public.todolist t where t.tenant_id = p_tenant_id and t.task_id = p_task_id
    for no key update;
    if not found then
        perform kernel.refuse('PT404', format('There is no task %s.', p_task_id), 'task_unknown', p_remedy);
    end if;
    return v_task;
end $$;

-- An open task of a person, locked; refused where there is none, or it is in another status.
create or replace function kernel.lock_todo(p_tenant_id text, p_task_id uuid) returns public.todolist
language plpgsql volatile set search_path = '' as $$
declare
    v_task public.todolist;
begin
    select t.* into v_task from public.todolist t where t.tenant_id = p_tenant_id and t.task_id = p_task_id
    for no key update;
    if not found then
        perform kernel.refuse('PT404', format('There is no task %s.', p_task_id), 'task_unknown',
                              'GET /tasks lists them.');
    elsif v_task.status <> 'TODO' then
        perform kernel.refuse('PT409', format('Task %s is %s: it waits for nobody.', p_task_id, v_task.status),
                              'task_closed', 'Read the task again.');
    end if;
    return v_task;
end $$;

-- Gives a task to p_assignee (null: to its groups), writes who did it, and tells whom it reaches.
create or replace function kernel.give_task(
    p_task public.todolist, p_assignee text, p_delegated_by text, p_message text) returns setof public.todolist
language plpgsql volatile set search_path = '' as $$
declare
    v_task public.todolist;
    v_now timestamptz := kernel.now();
begin
    update public.todolist t set assignee = p_assignee, delegated_by = p_delegated_by
    where t.tenant_id = p_task.tenant_id and t.task_id = p_task.task_id
    returning t.* into v_task;
    perform kernel.record_event(v_task.tenant_id, v_task.proc_inst_id, v_task.task_id, 'TASK_ASSIGNED', kernel.actor(),
        p_message, jsonb_build_object('from', p_task.assignee, 'to', p_assignee), v_now);
    if p_assignee is null then
        perform kernel.notify_people(v_task, v_now);
    elsif lower(p_assignee) is distinct from lower(kernel.worker()) then
        perform kernel.notify(v_task.tenant_id, p_assignee, 'TASK_REASSIGNED', v_task.proc_inst_id, v_task.task_id,
                              v_task.name, v_now);
    end if;
    return next v_task;
end $$;

-- A candidate takes a task. p_person: for whom, where the caller speaks for others; else null.
create or replace function public.claim_task(p_task_id uuid, p_person text default null) returns setof public.todolist
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_task public.todolist := kernel.lock_todo(kernel.require_tenant(), p_task_id);
    v_person text := coalesce(p_person, kernel.worker());
begin
    if lower(v_task.assignee) = lower(v_person) then
        return next v_task;
        return;
    elsif v_task.assignee is not null then
        perform kernel.refuse('PT409', format('Task %s is with %s.', p_task_id, v_task.assignee), 'task_claimed',
                              'Take another one, or ask for it.');
    end if;
    perform kernel.require_task_of_caller(v_task);
    return query select * from kernel.give_task(v_task, v_person, null, 'claimed');
end $$;

-- The assignee gives a task back: to whom it was delegated by, or else to its groups.
create or replace function public.release_task(p_task_id uuid) returns setof public.todolist
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_task public.todolist := kernel.lock_todo(kernel.require_tenant(), p_task_id);
begin
    perform kernel.require_task_of_caller(v_task);
    if v_task.assignee is null then
        return next v_task;
        return;
    elsif v_task.delegated_by is null and v_task.candidate_groups = '[]' then
        perform kernel.refuse('PT409', format('Task %s has no group that it could return to.', p_task_id),
                              'task_without_group', 'Delegate or reassign it.');
    end if;
    return query select * from kernel.give_task(v_task, v_task.delegated_by, null, 'released');
end $$;

-- The assignee, or a candidate where there is none, lets somebody else do it; a release gives it back to them.
create or replace function public.delegate_task(p_task_id uuid, p_person text) returns setof public.todolist
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_task public.todolist := kernel.lock_todo(kernel.require_tenant(), p_task_id);
begin
    perform kernel.require_task_of_caller(v_task);
    return query select * from kernel.give_task(v_task, p_person, v_task.assignee, 'delegated');
end $$;

-- An operator gives a task to a person, or with p_person null back to its groups. p_groups null: they stay.
create or replace function public.reassign_task(p_task_id uuid, p_person text, p_groups jsonb default null)
returns setof public.todolist
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_tenant text := kernel.require_tenant();
    v_task public.todolist := kernel.lock_todo(v_tenant, p_task_id);
begin
    if p_person is null and coalesce(p_groups, v_task.candidate_groups) = '[]' then
        perform kernel.refuse('PT422', 'A task needs a person or a group.', 'task_for_nobody',
                              'Name a person or groups.');
    end if;
    if p_groups is not null then
        update public.todolist t set candidate_groups = p_groups
        where t.tenant_id = v_tenant and t.task_id = p_task_id;
    end if;
    return query select * from kernel.give_task(v_task, p_person, null, 'reassigned');
end $$;

-- p_change: {priority?: 1 to 5, due_at?: a time or null}. A task that waits in the queue gets a new place in it.
create or replace function public.change_task(p_task_id uuid, p_change jsonb) returns setof public.todolist
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_tenant text := kernel.require_tenant();
    v_now timestamptz := kernel.now();
    v_task public.todolist;
    v_priority int;
    v_rank bigint;
begin
    select t.* into v_task from public.todolist t where t.tenant_id = v_tenant and t.task_id = p_task_id
    for no key update;
    if not found then
        perform kernel.refuse('PT404', format('There is no task %s.', p_task_id), 'task_unknown',
                              'GET /tasks lists them.');
    elsif v_task.status in ('DONE', 'CANCELLED') then
        perform kernel.refuse('PT409', format('Task %s is %s.', p_task_id, v_task.status), 'task_closed',
                              'Read the task again.');
    end if;
    v_priority := coalesce((p_change ->> 'priority')::int, v_task.priority);
    v_rank := v_task.fair_rank;
    if v_priority <> v_task.priority and v_task.status = 'PENDING' and v_task.available_at is null then
        v_rank := kernel.fair_rank(v_tenant, v_task.agent_orch, v_priority, v_now);
        perform kernel.wake(true);
    end if;
    perform kernel.record_event(v_tenant, v_task.proc_inst_id, p_task_id, 'TASK_CHANGED', kernel.actor(), v_task.name,
        jsonb_build_object('from', jsonb_build_object('priority', v_task.priority, 'due_at', v_task.due_at),
                           'to', p_change), v_now);
    update public.todolist t set priority = v_priority, fair_rank = v_rank,
        due_at = case when p_change ? 'due_at' then (p_change ->> 'due_at')::timestamptz else t.due_at end
    where t.tenant_id = v_tenant and t.task_id = p_task_id;
    return query select * from public.get_task(p_task_id) t where t.tenant_id = v_tenant;
end $$;

-- Takes up again a task that failed or was cancelled alone, as it is: with all its attempts, and what a person had
-- entered as their draft. p_how: what the event says besides.
drop function if exists kernel.take_up(public.todolist, timestamptz);
create or replace function kernel.take_up(p_task public.todolist, p_now timestamptz, p_how jsonb default '{}')
returns setof public.todolist
language plpgsql volatile set search_path = '' as $$
declare
    v_task public.todolist;
    v_for_person boolean := p_task.agent_orch is null or p_task.submitted_by is not null;
    v_limited boolean := not v_for_person and (select t.max_running is not null from public.tenants t
                                               where t.tenant_id = p_task.tenant_id);
begin
    if not v_for_person and not exists (select from public.agent_orch o where o.id = p_task.agent_orch) then
        perform kernel.refuse('PT409', format('Orchestrator "%s" is still not registered.', p_task.agent_orch),
                              'orchestrator_unknown', 'Start a pod that serves it.');
    end if;
    update public.todolist t set status = case when v_for_person then 'TODO' else 'PENDING' end::public.task_status,
        draft = case when v_for_person then coalesce(t.output, t.draft) end, output = null, submitted_by = null,
        attempt = 0, error = null, error_class = null, failed_attempts = '[]', log_tail = null, finished_at = null,
        cancelled_by = null, stopped = false,
        limited = v_limited, available_at = case when v_limited then 'infinity'::timestamptz end,
        fair_rank = case when v_for_person then 0
                         else kernel.fair_rank(t.tenant_id, t.agent_orch, t.priority, p_now) end
    where t.tenant_id = p_task.tenant_id and t.task_id = p_task.task_id
    returning t.* into v_task;
    perform kernel.record_event(v_task.tenant_id, v_task.proc_inst_id, v_task.task_id, 'INCIDENT_RETRIED',
        kernel.actor(), v_task.name, jsonb_build_object('error', p_task.error, 'attempt', p_task.attempt,
            'error_class', p_task.error_class, 'failed_attempts', p_task.failed_attempts) || p_how, p_now);
    if v_for_person then
        perform kernel.notify_people(v_task, p_now);
    elsif kernel.hold_back(v_task) then
        select t.* into v_task from public.todolist t
        where t.tenant_id = p_task.tenant_id and t.task_id = p_task.task_id;
    elsif v_limited then
        perform kernel.admit(v_task.tenant_id, p_now);
        select t.* into v_task from public.todolist t
        where t.tenant_id = p_task.tenant_id and t.task_id = p_task.task_id;
    else
        perform kernel.wake(true);
    end if;
    v_task.available_at := nullif(v_task.available_at, 'infinity');
    return next v_task;
end $$;

-- The instance is in ERROR as long as one of its tasks is FAILED or was cancelled alone, or an event has an incident.
create or replace function kernel.clear_error(p_tenant_id text, p_proc_inst_id uuid) returns void
language sql volatile set search_path = '' as $$
    update public.bpm_proc_inst i set status = 'RUNNING', error = null
    where i.tenant_id = p_tenant_id and i.id = p_proc_inst_id and i.status = 'ERROR'
      and not exists (select from public.todolist t where t.tenant_id = p_tenant_id
                      and t.proc_inst_id = p_proc_inst_id and (t.status = 'FAILED' or t.cancelled_by is not null))
      and not exists (select from public.event_wait w join public.event_arrival a using (tenant_id, wait_id)
                      where w.tenant_id = p_tenant_id and w.proc_inst_id = p_proc_inst_id and a.error is not null)
$$;

-- Lets a process have once more an event that it could not take. One that should have started an instance goes to the
-- same start event of the newest version, where there is one; a message to whoever waits for it by now.
create or replace function kernel.retry_arrival(p_arrival public.event_arrival, p_how jsonb, p_now timestamptz)
returns void language plpgsql volatile set search_path = '' as $$
declare
    v_wait public.event_wait;
begin
    select w.* into v_wait from public.event_wait w
    where w.tenant_id = p_arrival.tenant_id and w.wait_id = p_arrival.wait_id;
    if not found then
        select w.* into v_wait from public.event_wait w
        where w.tenant_id = p_arrival.tenant_id and w.process_definition_id = p_arrival.process_definition_id
          and w.proc_inst_id is null and w.element_id = p_arrival.element_id and w.kind = p_arrival.kind
          and w.name is not distinct from p_arrival.name;
    end if;
    perform kernel.record_event(p_arrival.tenant_id, p_arrival.proc_inst_id, null, 'INCIDENT_RETRIED', kernel.actor(),
        p_arrival.name, jsonb_build_object('error', p_arrival.error, 'kind', p_arrival.kind, 'element_id',
        p_arrival.element_id, 'process_definition_id', p_arrival.process_definition_id) || p_how, p_now);
    if v_wait.wait_id is null and p_arrival.kind <> 'message' then
        perform kernel.refuse('PT409', format('Process definition "%s" has no start event "%s" for this %s any more.',
            p_arrival.process_definition_id, p_arrival.element_id, p_arrival.kind), 'start_gone', 'Discard it.');
    end if;
    update public.event_arrival a set error = null, failed_at = null, claimed_until = p_now,
        wait_id = coalesce(v_wait.wait_id, a.wait_id), variables = p_arrival.variables,
        expires_at = case when a.kind = 'message' then greatest(a.expires_at, p_now + interval '1 hour') end
    where a.tenant_id = p_arrival.tenant_id and a.arrival_id = p_arrival.arrival_id;
end $$;

-- Lets an instance have once more the events that it could not take; whether there were any.
create or replace function kernel.retry_arrivals(
    p_tenant_id text, p_proc_inst_id uuid, p_now timestamptz, p_how jsonb default '{}')
returns boolean language plpgsql volatile set search_path = '' as $$
declare
    v_arrival public.event_arrival;
    v_found boolean := false;
begin
    for v_arrival in
        select a.* from public.event_wait w join public.event_arrival a using (tenant_id, wait_id)
        where w.tenant_id = p_tenant_id and w.proc_inst_id = p_proc_inst_id and a.error is not null
        order by a.arrival_id for no key update of a
    loop
        v_found := true;
        perform kernel.retry_arrival(v_arrival, p_how, p_now);
    end loop;
    return v_found;
end $$;
drop function if exists kernel.retry_arrivals(text, uuid, timestamptz);

create or replace function kernel.require_incident(p_task public.todolist) returns void
language plpgsql stable set search_path = '' as $$
begin
    if p_task.status <> 'FAILED' and p_task.cancelled_by is null then
        perform kernel.refuse('PT409', format('Task %s is %s: only a FAILED task can be retried, and one that was '
            'cancelled without its instance.', p_task.task_id, p_task.status), 'task_not_failed',
            'Read the task again.');
    end if;
end $$;

create or replace function public.retry_task(p_task_id uuid) returns setof public.todolist
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_tenant text := kernel.require_tenant();
    v_task public.todolist := kernel.locked_task(v_tenant, p_task_id, 'GET /incidents lists what failed.');
begin
    perform kernel.require_incident(v_task);
    return query select * from kernel.take_up(v_task, kernel.now());
    perform kernel.clear_error(v_tenant, v_task.proc_inst_id);
end $$;

-- Lets an agent's task use more: p_limits is added to its limits. One that failed is taken up again.
create or replace function public.extend_task(p_task_id uuid, p_limits jsonb, p_reason text)
returns setof public.todolist
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_tenant text := kernel.require_tenant();
    v_now timestamptz := kernel.now();
    v_task public.todolist;
begin
    perform kernel.check_limits(p_limits, 'limits');
    if p_limits = '{}' then
        perform kernel.refuse('PT422', 'limits: there is nothing to add.', 'limits_empty', 'Name a limit and how much.');
    end if;
    v_task := kernel.locked_task(v_tenant, p_task_id, 'GET /incidents lists what failed.');
    if v_task.agent_orch is null or v_task.status in ('DONE', 'TODO')
       or v_task.status = 'CANCELLED' and v_task.cancelled_by is null then
        perform kernel.refuse('PT409', format('Task %s is %s: only what an agent has still to do can be extended.',
                                              p_task_id, v_task.status), 'task_closed', 'Read the task again.');
    end if;
    insert into public.task_limit as l (tenant_id, task_id, kind, added)
    select v_tenant, p_task_id, e.key, e.value::numeric from jsonb_each_text(p_limits) e
    on conflict (tenant_id, task_id, kind) do update set added = l.added + excluded.added, warned_at = null;
    perform kernel.record_event(v_tenant, v_task.proc_inst_id, p_task_id, 'LIMIT_EXTENDED', kernel.actor(), p_reason,
                                jsonb_build_object('added', p_limits), v_now);
    if v_task.status = 'FAILED' or v_task.cancelled_by is not null then
        return query select * from kernel.take_up(v_task, v_now);
        perform kernel.clear_error(v_tenant, v_task.proc_inst_id);
    else
        v_task.available_at := nullif(v_task.available_at, 'infinity');
        return next v_task;
    end if;
end $$;

-- All failed tasks of an instance at once.
create or replace function public.retry_instance(p_proc_inst_id uuid) returns setof public.todolist
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_tenant text := kernel.require_tenant();
    v_task public.todolist;
    v_found boolean := false;
begin
    perform from public.bpm_proc_inst i where i.tenant_id = v_tenant and i.id = p_proc_inst_id for no key update;
    if not found then
        perform kernel.refuse('PT404', format('There is no process instance %s.', p_proc_inst_id), 'instance_unknown',
                              'GET /instances lists them.');
    end if;
    for v_task in
        select t.* from public.todolist t
        where t.tenant_id = v_tenant and t.proc_inst_id = p_proc_inst_id
          and (t.status = 'FAILED' or t.cancelled_by is not null)
        order by t.task_id for no key update
    loop
        v_found := true;
        return query select * from kernel.take_up(v_task, kernel.now());
    end loop;
    v_found := kernel.retry_arrivals(v_tenant, p_proc_inst_id, kernel.now()) or v_found;
    if not v_found then
        perform kernel.refuse('PT409', format('Process instance %s has no incident.', p_proc_inst_id), 'no_incident',
                              'Read the instance again.');
    end if;
    perform kernel.clear_error(v_tenant, p_proc_inst_id);
end $$;

-- Changes the variables of an instance for a repair. p_change: {revision, state, variables, given, task?: {input,
-- instruction, assignee, candidate_groups}}; task: what the task of p_task_id gets to see then.
create or replace function kernel.change_variables(
    p_tenant_id text, p_proc_inst_id uuid, p_task_id uuid, p_change jsonb) returns void
language plpgsql volatile set search_path = '' as $$
begin
    perform kernel.require_revision(p_tenant_id, p_proc_inst_id, (p_change ->> 'revision')::int);
    update public.bpm_proc_inst i set state = p_change -> 'state', variables = p_change -> 'variables',
        revision = i.revision + 1
    where i.tenant_id = p_tenant_id and i.id = p_proc_inst_id;
    perform kernel.keep_input(p_tenant_id, p_proc_inst_id, p_change);
    update public.todolist t set input = r.input, instruction = r.instruction, assignee = r.assignee,
        candidate_groups = r.candidate_groups
    from jsonb_to_record(p_change -> 'task') r(input jsonb, instruction text, assignee text, candidate_groups jsonb)
    where t.tenant_id = p_tenant_id and t.task_id = p_task_id;
end $$;

-- The calls of a task's journal are set aside: its next run finds none of them. Returns what they came to.
create or replace function kernel.set_calls_aside(p_task public.todolist)
returns table (model_calls bigint, tool_calls bigint, input_tokens bigint, output_tokens bigint, cost_usd numeric)
language sql volatile set search_path = '' as $$
    with aside as (
        update public.journal j set replayable = false
        where j.tenant_id = p_task.tenant_id and j.task_id = p_task.task_id and j.replayable
        returning j.kind, j.input_tokens, j.output_tokens, j.cost_usd)
    select count(*) filter (where a.kind <> 'tool'), count(*) filter (where a.kind = 'tool'),
           coalesce(sum(a.input_tokens), 0), coalesce(sum(a.output_tokens), 0),
           case when bool_and(a.cost_usd is not null or a.kind = 'tool') is not false
                then coalesce(sum(a.cost_usd), 0) end
    from aside a
$$;

-- Takes up an incident of any kind (see view incidents): as it is; with changed variables (p_change: see
-- kernel.change_variables; of a start {variables}, put over what came with the event); or from scratch, its journal set
-- aside. Returns what that will pay again. p_reason is asked for unless it is as it is.
create or replace function public.retry_incident(
    p_incident_id uuid, p_reason text default null, p_from_scratch boolean default false, p_change jsonb default null)
returns table (kind text, proc_inst_id uuid, task_id uuid, model_calls bigint, tool_calls bigint, input_tokens bigint,
               output_tokens bigint, cost_usd numeric)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
declare
    v_tenant text := kernel.require_tenant();
    v_now timestamptz := kernel.now();
    v_how jsonb := jsonb_strip_nulls(jsonb_build_object(
        'reason', p_reason, 'from_scratch', nullif(p_from_scratch, false),
        'variables', case when p_change is not null then (
            select coalesce(jsonb_agg(n order by n), '[]')
            from jsonb_object_keys(coalesce(p_change -> 'given' -> 'variables', p_change -> 'variables')) n) end));
    v_task public.todolist;
    v_arrival public.event_arrival;
begin
    if p_reason is null and (p_from_scratch or p_change is not null) then
        perform kernel.refuse('PT422', 'reason is missing: a retry with changed variables or from scratch needs one.',
                              'reason_missing', 'Say why.');
    end if;
    select t.* into v_task from public.todolist t where t.tenant_id = v_tenant and t.task_id = p_incident_id;
    if not found then
        select a.* into v_arrival from public.event_arrival a
        where a.tenant_id = v_tenant and a.arrival_id = p_incident_id and a.error is not null;
        if not found then
            perform kernel.refuse('PT404', format('There is no incident %s.', p_incident_id), 'incident_unknown',
                                  'GET /incidents lists them.');
        elsif p_from_scratch then
            perform kernel.refuse('PT422', 'An event has no journal that could be set aside.', 'from_scratch',
                                  'Retry it as it is, or with changed variables.');
        end if;
        perform from public.bpm_proc_inst i where i.tenant_id = v_tenant and i.id = v_arrival.proc_inst_id
        for no key update;
        select a.* into v_arrival from public.event_arrival a
        where a.tenant_id = v_tenant and a.arrival_id = p_incident_id and a.error is not null for update;
        if not found then
            perform kernel.refuse('PT409', format('Incident %s is over.', p_incident_id), 'no_incident');
        elsif p_change is not null and v_arrival.proc_inst_id is null then
            v_arrival.variables := v_arrival.variables || (p_change -> 'variables');
        elsif p_change is not null then
            perform kernel.change_variables(v_tenant, v_arrival.proc_inst_id, null, p_change);
        end if;
        perform kernel.retry_arrival(v_arrival, v_how, v_now);
        perform kernel.clear_error(v_tenant, v_arrival.proc_inst_id);
        return query select case when v_arrival.proc_inst_id is null then 'start' else 'event' end,
            v_arrival.proc_inst_id, null::uuid, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::numeric;
        return;
    end if;
    perform from public.bpm_proc_inst i where i.tenant_id = v_tenant and i.id = v_task.proc_inst_id for no key update;
    select t.* into v_task from public.todolist t where t.tenant_id = v_tenant and t.task_id = p_incident_id
    for no key update;
    perform kernel.require_incident(v_task);
    if p_change is not null then
        perform kernel.change_variables(v_tenant, v_task.proc_inst_id, p_incident_id, p_change);
    end if;
    perform kernel.take_up(v_task, v_now, v_how);
    perform kernel.clear_error(v_tenant, v_task.proc_inst_id);
    return query select case when v_task.status = 'FAILED' then 'task' else 'cancelled_task' end, v_task.proc_inst_id,
        p_incident_id, c.model_calls, c.tool_calls, c.input_tokens, c.output_tokens, c.cost_usd
    from (values (1)) one left join kernel.set_calls_aside(case when p_from_scratch then v_task end) c on true;
end $$;

-- Moves a token of an instance by hand. p_step: see kernel.apply_step. p_moved {token, from, to, variables}: what the
-- event says.
create or replace function public.move_token(p_proc_inst_id uuid, p_step jsonb, p_reason text, p_moved jsonb)
returns table (proc_inst_id uuid, revision int)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
declare
    v_tenant text := kernel.require_tenant();
    v_now timestamptz := kernel.now();
    v_status public.process_status;
begin
    select i.status into v_status from public.bpm_proc_inst i
    where i.tenant_id = v_tenant and i.id = p_proc_inst_id for no key update;
    if not found then
        perform kernel.refuse('PT404', format('There is no process instance %s.', p_proc_inst_id), 'instance_unknown',
                              'GET /instances lists them.');
    elsif v_status not in ('RUNNING', 'ERROR') then
        perform kernel.refuse('PT409', format('Process instance %s is %s.', p_proc_inst_id, v_status),
                              'instance_closed', 'Fork it from one of its steps.');
    end if;
    perform kernel.apply_step(v_tenant, p_proc_inst_id, p_step, kernel.actor(), v_now);
    perform kernel.keep_input(v_tenant, p_proc_inst_id, p_step);
    perform kernel.record_event(v_tenant, p_proc_inst_id, null, 'TOKEN_MOVED', kernel.actor(), p_reason, p_moved, v_now);
    return query select i.id, i.revision from public.bpm_proc_inst i
    where i.tenant_id = v_tenant and i.id = p_proc_inst_id;
end $$;

-- Starts another instance where p_proc_inst_id stood before its step p_step_number, with version p_version of its
-- definition. p_step: what opens there (see kernel.apply_step; its revision is 0). Nothing of what was done is done again.
create or replace function public.fork_instance(
    p_proc_inst_id uuid, p_step_number int, p_version int, p_step jsonb, p_reason text,
    p_idempotency_key text default null, p_fingerprint text default null)
returns table (proc_inst_id uuid, replayed boolean)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
declare
    v_tenant text := kernel.require_tenant();
    v_now timestamptz := kernel.now();
    v_id uuid := kernel.new_id();
    v_earlier public.idempotency_key;
    v_from public.bpm_proc_inst;
begin
    select i.* into v_from from public.bpm_proc_inst i where i.tenant_id = v_tenant and i.id = p_proc_inst_id;
    if not found then
        perform kernel.refuse('PT404', format('There is no process instance %s.', p_proc_inst_id), 'instance_unknown',
                              'GET /instances lists them.');
    end if;
    select * into v_earlier from kernel.recall(v_tenant, p_idempotency_key, p_fingerprint, v_id, null);
    if found then
        return query select v_earlier.proc_inst_id, true;
        return;
    end if;
    perform kernel.require_room(v_tenant, kernel.count_agents_tasks(p_step -> 'tasks'), true, v_now);
    perform kernel.insert_instance(v_tenant, v_id, v_from.process_definition_id, p_version, v_from.initiator, v_now);
    update public.bpm_proc_inst i set forked_from = p_proc_inst_id, forked_step = p_step_number
    where i.tenant_id = v_tenant and i.id = v_id;
    perform kernel.record_event(v_tenant, f.instance, null, 'INSTANCE_FORKED', kernel.actor(), p_reason,
        jsonb_build_object('from', p_proc_inst_id, 'step', p_step_number, 'to', v_id, 'version', p_version), v_now)
    from (values (p_proc_inst_id), (v_id)) f (instance);
    perform kernel.apply_step(v_tenant, v_id, p_step, kernel.actor(), v_now);
    perform kernel.keep_input(v_tenant, v_id, p_step);
    return query select v_id, false;
end $$;

-- An event that a process could not take is given up: the process never gets it.
create or replace function public.discard_incident(p_incident_id uuid, p_reason text)
returns table (kind text, proc_inst_id uuid)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
declare
    v_tenant text := kernel.require_tenant();
    v_arrival public.event_arrival;
begin
    if exists (select from public.todolist t where t.tenant_id = v_tenant and t.task_id = p_incident_id) then
        perform kernel.refuse('PT409', format('Incident %s is of a task: its process cannot go on without it.',
            p_incident_id), 'incident_of_task', 'Retry it, move its token, or cancel the instance.');
    end if;
    select a.* into v_arrival from public.event_arrival a
    where a.tenant_id = v_tenant and a.arrival_id = p_incident_id and a.error is not null;
    perform from public.bpm_proc_inst i where i.tenant_id = v_tenant and i.id = v_arrival.proc_inst_id
    for no key update;
    delete from public.event_arrival a
    where a.tenant_id = v_tenant and a.arrival_id = p_incident_id and a.error is not null returning a.* into v_arrival;
    if not found then
        perform kernel.refuse('PT404', format('There is no incident %s.', p_incident_id), 'incident_unknown',
                              'GET /incidents lists them.');
    end if;
    update public.event_wait w set taken = false
    where w.tenant_id = v_tenant and w.wait_id = v_arrival.wait_id and w.taken;
    perform kernel.record_event(v_tenant, v_arrival.proc_inst_id, null, 'INCIDENT_DISCARDED', kernel.actor(), p_reason,
        jsonb_build_object('error', v_arrival.error, 'kind', v_arrival.kind, 'element_id', v_arrival.element_id,
        'name', v_arrival.name, 'process_definition_id', v_arrival.process_definition_id), kernel.now());
    perform kernel.clear_error(v_tenant, v_arrival.proc_inst_id);
    return query select case when v_arrival.proc_inst_id is null then 'start' else 'event' end, v_arrival.proc_inst_id;
end $$;

-- A person submits a task. Either p_step moves the instance on, or p_incident {revision, reason} says why it cannot go
-- on from that revision.
create or replace function public.submit_task(
    p_task_id uuid, p_output jsonb, p_step jsonb default null, p_incident jsonb default null,
    p_idempotency_key text default null, p_fingerprint text default null)
returns table (task_id uuid, proc_inst_id uuid, replayed boolean)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
declare
    v_tenant text := kernel.require_tenant();
    v_now timestamptz := kernel.now();
    v_task public.todolist;
    v_earlier public.idempotency_key;
begin
    select t.* into v_task from public.todolist t where t.tenant_id = v_tenant and t.task_id = p_task_id;
    if not found then
        perform kernel.refuse('PT404', format('There is no task %s.', p_task_id), 'task_unknown');
    end if;
    perform kernel.require_task_of_caller(v_task);
    select * into v_earlier from kernel.recall(v_tenant, p_idempotency_key, p_fingerprint, v_task.proc_inst_id, p_task_id);
    if found then
        return query select v_earlier.task_id, v_earlier.proc_inst_id, true;
        return;
    end if;
    perform from public.bpm_proc_inst i where i.tenant_id = v_tenant and i.id = v_task.proc_inst_id for no key update;
    update public.todolist t set status = 'DONE', output = p_output, finished_at = v_now, submitted_by = kernel.actor()
    where t.tenant_id = v_tenant and t.task_id = p_task_id and t.status::text = 'TODO'
    returning t.* into v_task;
    if not found then
        select t.* into v_task from public.todolist t where t.tenant_id = v_tenant and t.task_id = p_task_id;
        perform kernel.refuse('PT409', format('Task %s is %s: only a task in TODO can be submitted.', p_task_id,
                                              v_task.status), 'task_closed', 'Read the task again.');
    end if;
    perform kernel.require_task_of_caller(v_task);
    perform kernel.record_event(v_tenant, v_task.proc_inst_id, p_task_id, 'TASK_SUBMITTED', kernel.actor(), v_task.name,
                                null, v_now);
    if p_incident is not null then
        perform kernel.require_revision(v_tenant, v_task.proc_inst_id, (p_incident ->> 'revision')::int);
        perform kernel.fail_task(v_task, p_incident ->> 'reason', p_output, null, v_now);
    elsif v_task.proc_inst_id is not null then
        perform kernel.apply_step(v_tenant, v_task.proc_inst_id, p_step, kernel.actor(), v_now);
    end if;
    return query select p_task_id, v_task.proc_inst_id, false;
end $$;

-- Answers a question. p_answer: {answer: what the person said}, for an unknown outcome {answer: {decision: run_again,
-- skip or fail, result?}}. Only whom the question is for, and whoever has the scope operate, may answer, and only once.
create or replace function public.answer_question(p_question_id uuid, p_answer jsonb)
returns setof public.task_question
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_tenant text := kernel.require_tenant();
    v_now timestamptz := kernel.now();
    v_question public.task_question;
    v_task public.todolist;
    v_answer jsonb := coalesce(p_answer -> 'answer', 'null');
    v_decision text := p_answer -> 'answer' ->> 'decision';
begin
    select q.* into v_question from public.task_question q
    where q.tenant_id = v_tenant and q.question_id = p_question_id and q.kind <> 'timer';
    if not found then
        perform kernel.refuse('PT404', format('There is no question %s.', p_question_id), 'question_unknown',
                              'GET /questions lists the open ones.');
    end if;
    if not (kernel.is_for_caller(v_question.assignee, v_question.candidate_groups) or kernel.supervises()) then
        perform kernel.refuse('PT403', format('Question %s is for somebody else.', p_question_id), 'question_foreign',
                              'Ask them, or somebody with the role operator.');
    end if;
    perform from public.bpm_proc_inst i where i.tenant_id = v_tenant and i.id = v_question.proc_inst_id
    for no key update;
    select t.* into v_task from public.todolist t
    where t.tenant_id = v_tenant and t.task_id = v_question.task_id for no key update;
    select q.* into v_question from public.task_question q
    where q.tenant_id = v_tenant and q.question_id = p_question_id for no key update;
    if v_question.status = 'open' and v_question.due_at <= v_now then
        perform kernel.refuse('PT409', format('Question %s was to be answered by %s.', p_question_id, v_question.due_at),
                              'question_closed', 'Read the question again.');
    end if;
    if v_question.status <> 'open' or v_task.status not in ('WAITING', 'IN_PROGRESS', 'PENDING') then
        perform kernel.refuse('PT409', format('Question %s is %s, its task is %s.', p_question_id, v_question.status,
                                              v_task.status), 'question_closed', 'Read the question again.');
    end if;
    perform kernel.record_event(v_tenant, v_question.proc_inst_id, v_question.task_id, 'QUESTION_ANSWERED',
        kernel.actor(), v_question.question, jsonb_build_object('question_id', p_question_id), v_now);
    if v_question.kind = 'person' then
        perform kernel.settle_question(v_question, 'answered', v_answer, kernel.actor(), jsonb_build_object(
            'answered', true, 'answer', v_answer, 'answered_by', kernel.worker()), 'ok', v_now);
    elsif v_decision = 'run_again' then
        perform kernel.settle_question(v_question, 'answered', v_answer, kernel.actor(), null, 'repeat', v_now);
    elsif v_decision = 'skip' then
        perform kernel.settle_question(v_question, 'answered', v_answer, kernel.actor(),
                                       coalesce(v_answer -> 'result', '{}'), 'ok', v_now);
    else
        perform kernel.settle_question(v_question, 'answered', v_answer, kernel.actor(),
                                       '{"error": "a person decided that this must not go on"}', 'error', v_now);
        perform kernel.fail_task(v_task, format('%s A person decided: fail.', v_question.question), null, null, v_now,
                                 'given_up');
    end if;
    return query select q.* from public.task_question q
    where q.tenant_id = v_tenant and q.question_id = p_question_id;
end $$;

create or replace function public.cancel_instance(p_proc_inst_id uuid, p_reason text)
returns table (proc_inst_id uuid, status public.process_status)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
declare
    v_tenant text := kernel.require_tenant();
    v_now timestamptz := kernel.now();
    v_status public.process_status;
begin
    select i.status into v_status from public.bpm_proc_inst i
    where i.tenant_id = v_tenant and i.id = p_proc_inst_id for no key update;
    if not found then
        perform kernel.refuse('PT404', format('There is no process instance %s.', p_proc_inst_id), 'instance_unknown');
    elsif v_status in ('COMPLETED', 'CANCELLED') then
        perform kernel.refuse('PT409', format('Process instance %s is %s already.', p_proc_inst_id, v_status),
                              'instance_closed');
    end if;
    update public.bpm_proc_inst i set status = 'CANCELLED', end_time = v_now, revision = i.revision + 1
    where i.tenant_id = v_tenant and i.id = p_proc_inst_id;
    perform kernel.cancel_tasks(v_tenant, p_proc_inst_id, null, kernel.actor(), p_reason, v_now);
    perform kernel.close_waits(v_tenant, p_proc_inst_id);
    perform kernel.record_event(v_tenant, p_proc_inst_id, null, 'INSTANCE_CANCELLED', kernel.actor(), p_reason, null,
                                v_now);
    return query select p_proc_inst_id, 'CANCELLED'::public.process_status;
end $$;

-- Cancels one open task and leaves its instance: that is in ERROR until the task is taken up again or the instance is
-- cancelled, because it cannot go on without the task.
create or replace function public.cancel_task(p_task_id uuid, p_reason text)
returns table (task_id uuid, status public.task_status)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
declare
    v_tenant text := kernel.require_tenant();
    v_now timestamptz := kernel.now();
    v_error text := format('cancelled by %s: %s', kernel.actor(), p_reason);
    v_task public.todolist;
    v_initiator text;
begin
    v_task := kernel.locked_task(v_tenant, p_task_id, 'GET /tasks lists them.');
    if v_task.status in ('DONE', 'CANCELLED') then
        perform kernel.refuse('PT409', format('Task %s is %s.', p_task_id, v_task.status), 'task_closed',
                              'Read the task again.');
    end if;
    update public.todolist t set status = 'CANCELLED', cancelled_by = kernel.actor(), error = v_error, finished_at = v_now,
        lease_expires_at = null
    where t.tenant_id = v_tenant and t.task_id = p_task_id;
    perform kernel.record_event(v_tenant, v_task.proc_inst_id, p_task_id, 'TASK_CANCELLED', kernel.actor(), p_reason, null,
                                v_now);
    if v_task.status = 'IN_PROGRESS' then
        perform pg_notify('fleet_cancel', v_task.pod_id::text);
    end if;
    update public.bpm_proc_inst i set status = 'ERROR', error = format('%s: %s', v_task.activity_id, v_error)
    where i.tenant_id = v_tenant and i.id = v_task.proc_inst_id and i.status in ('RUNNING', 'ERROR')
    returning i.initiator into v_initiator;
    if found then
        perform kernel.notify(v_tenant, v_initiator, 'INCIDENT', v_task.proc_inst_id, p_task_id, v_error, v_now);
    end if;
    return query select p_task_id, 'CANCELLED'::public.task_status;
end $$;

-- What a cancel of a scope would end: instances, and tasks that stand alone; those with running tasks first. p_scope:
-- agent or orchestrator (p_key: its id; instances with an open task of it), or tenant.
create or replace function public.find_open_work(p_scope text, p_key text, p_limit int)
returns table (proc_inst_id uuid, task_id uuid, running bigint)
language plpgsql stable security definer set search_path = '' as $$
#variable_conflict use_column
declare
    v_tenant text := kernel.require_tenant();
begin
    return query
    with work as (
        select t.proc_inst_id, case when t.proc_inst_id is null then t.task_id end as task_id,
               (t.status = 'IN_PROGRESS')::int as running
        from public.todolist t
        where t.tenant_id = v_tenant and t.status in ('TODO', 'PENDING', 'IN_PROGRESS', 'WAITING', 'FAILED')
          and case p_scope when 'agent' then t.agent_id = p_key when 'orchestrator' then t.agent_orch = p_key
                           else p_scope = 'tenant' end
        union all
        select i.id, null, 0 from public.bpm_proc_inst i
        where p_scope = 'tenant' and i.tenant_id = v_tenant and i.status in ('RUNNING', 'ERROR')
    )
    select w.proc_inst_id, w.task_id, sum(w.running) from work w group by 1, 2
    order by sum(w.running) desc, w.proc_inst_id, w.task_id limit p_limit;
end $$;

-- What cannot be undone: the tool calls of these instances' (p_instances) and these (p_tasks) tasks that were cancelled
-- or are open, where doing it twice is not the same as doing it once. Oldest first.
create or replace function public.find_effects(p_instances jsonb, p_tasks jsonb, p_limit int)
returns table (call_id bigint, proc_inst_id uuid, task_id uuid, attempt int, name text, outcome text,
               "timestamp" timestamptz)
language sql stable set search_path = '' as $$
    select j.call_id, j.proc_inst_id, j.task_id, j.attempt, j.name, j.outcome, j."timestamp"
    from public.todolist t join public.journal j on j.tenant_id = t.tenant_id and j.task_id = t.task_id
    where (t.proc_inst_id in (select jsonb_array_elements_text(p_instances)::uuid)
           or t.task_id in (select jsonb_array_elements_text(p_tasks)::uuid))
      and t.status <> 'DONE' and j.kind = 'tool' and j.outcome <> 'error' and j.idempotent is not true
    order by j.call_id limit p_limit
$$;

create or replace function kernel.require_switch_scope(p_scope text, p_key text) returns void
language plpgsql stable set search_path = '' as $$
begin
    if p_scope not in ('tenant', 'orchestrator', 'agent') then
        perform kernel.refuse('PT422', format('scope "%s"', p_scope), 'scope', 'Use tenant, orchestrator or agent.');
    elsif p_scope = 'tenant' and p_key <> '' then
        perform kernel.refuse('PT422', format('key "%s"', p_key), 'key', 'The scope tenant has no key.');
    elsif p_scope = 'orchestrator' and not exists (select from public.agent_orch o where o.id = p_key) then
        perform kernel.refuse('PT404', format('There is no orchestrator "%s".', p_key), 'orchestrator_unknown',
                              'GET /orchestrators lists them.');
    elsif p_scope = 'agent' and not exists (select from public.agent_profile a
            where a.tenant_id = kernel.tenant_id() and a.agent_id = p_key) then
        perform kernel.refuse('PT404', format('There is no agent "%s".', p_key), 'agent_unknown',
                              'GET /agents lists them.');
    end if;
end $$;

create or replace function public.set_kill_switch(p_scope text, p_key text, p_reason text, p_stops_running boolean)
returns setof public.kill_switch
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_tenant text := kernel.require_tenant();
begin
    perform kernel.require_switch_scope(p_scope, p_key);
    return query select * from kernel.set_switch(v_tenant, p_scope, p_key, p_reason, p_stops_running, kernel.actor());
end $$;

-- One batch of what a switch is about; call it until both numbers are 0.
create or replace function public.enforce_kill_switch(p_switch_id uuid, p_limit int default 500)
returns table (parked int, stopped int)
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_tenant text := kernel.require_tenant();
    v_switch public.kill_switch;
begin
    select s.* into v_switch from public.kill_switch s
    where s.switch_id = p_switch_id and s.tenant_id = v_tenant and s.released_at is null;
    return query select e.parked, e.stopped from kernel.enforce_switch(v_switch, p_limit, kernel.now()) e
    where v_switch.switch_id is not null;
end $$;

create or replace function public.release_kill_switch(p_switch_id uuid) returns setof public.kill_switch
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_tenant text := kernel.require_tenant();
    v_switch public.kill_switch;
begin
    select s.* into v_switch from public.kill_switch s
    where s.switch_id = p_switch_id and (s.tenant_id = v_tenant or s.tenant_id is null);
    if not found then
        perform kernel.refuse('PT404', format('There is no kill switch %s.', p_switch_id), 'kill_switch_unknown',
                              'GET /kill-switches lists them.');
    elsif v_switch.tenant_id is null then
        perform kernel.refuse('PT403', format('Kill switch %s is of the whole fleet.', p_switch_id), 'kill_switch_of_fleet',
                              'Ask the owner of the database to release it.');
    end if;
    return query select * from kernel.end_switch(p_switch_id, kernel.actor());
end $$;

-- One batch of the tenant's work that no switch stops any more; call it until it gives 0.
create or replace function public.resume_work(p_limit int default 500) returns table (resumed int)
language plpgsql volatile security definer set search_path = '' as $$
begin
    return query select kernel.resume(kernel.require_tenant(), p_limit, kernel.now());
end $$;

create or replace function public.drill_kill_switch(p_scope text, p_key text, p_reason text)
returns table (running bigint, waiting bigint, task_ids jsonb)
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_tenant text := kernel.require_tenant();
begin
    perform kernel.require_switch_scope(p_scope, p_key);
    return query select * from kernel.drill_switch(v_tenant, p_scope, p_key, p_reason, kernel.actor());
end $$;

-- The tenant's switches and those of the whole fleet, newest first. p_set: only those that are set, or that are not.
create or replace function public.find_kill_switches(
    p_set boolean default null, p_before uuid default null, p_limit int default 50)
returns setof public.kill_switch
language sql stable security definer set search_path = '' as $$
    select s.* from public.kill_switch s
    where (s.tenant_id = kernel.require_tenant() or s.tenant_id is null)
      and (p_set is null or p_set = (s.released_at is null)) and (p_before is null or s.switch_id < p_before)
    order by s.switch_id desc limit least(p_limit, 500)
$$;

-- Sends a message. status: correlated (an instance waits for it), starting (it starts one), kept (until it expires).
create or replace function public.publish_message(
    p_name text, p_correlation_key text, p_variables jsonb, p_ttl_seconds int, p_initiator text,
    p_idempotency_key text default null, p_fingerprint text default null)
returns table (message_id uuid, status text, proc_inst_id uuid, replayed boolean)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
declare
    v_tenant text := kernel.require_tenant();
    v_now timestamptz := kernel.now();
    v_arrival public.event_arrival;
    v_wait public.event_wait;
    v_earlier public.idempotency_key;
    v_status text;
begin
    if p_ttl_seconds not between 0 and 2592000 then
        perform kernel.refuse('PT422', format('ttl_seconds %s is out of bounds.', p_ttl_seconds), 'ttl_seconds',
                              'Use 0 to 2592000 (30 days).');
    end if;
    select * into v_earlier from kernel.recall(v_tenant, p_idempotency_key, p_fingerprint, null, null);
    if found then
        return query select (v_earlier.answer ->> 'message_id')::uuid, v_earlier.answer ->> 'status',
                            (v_earlier.answer ->> 'proc_inst_id')::uuid, true;
        return;
    end if;
    perform kernel.lock_messages(v_tenant, array[p_name]);
    v_arrival := kernel.send_message(v_tenant, p_name, p_correlation_key, p_variables,
                                     v_now + p_ttl_seconds * interval '1 second', p_initiator, v_now);
    select w.* into v_wait from public.event_wait w where w.tenant_id = v_tenant and w.wait_id = v_arrival.wait_id;
    v_status := case when v_wait.proc_inst_id is not null then 'correlated' when v_wait.wait_id is not null
                     then 'starting' else 'kept' end;
    if v_status = 'starting' then
        perform kernel.require_room(v_tenant, 1, false, v_now);
    end if;
    perform kernel.remember_answer(v_tenant, p_idempotency_key, jsonb_build_object(
        'message_id', v_arrival.arrival_id, 'status', v_status, 'proc_inst_id', v_wait.proc_inst_id));
    return query select v_arrival.arrival_id, v_status, v_wait.proc_inst_id, false;
end $$;

-- Sends a signal to everything in the tenant that waits for it now. reached: how many waits that were.
create or replace function public.publish_signal(
    p_name text, p_variables jsonb, p_initiator text, p_idempotency_key text default null,
    p_fingerprint text default null)
returns table (reached bigint, replayed boolean)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
declare
    v_tenant text := kernel.require_tenant();
    v_earlier public.idempotency_key;
    v_reached bigint;
begin
    select * into v_earlier from kernel.recall(v_tenant, p_idempotency_key, p_fingerprint, null, null);
    if found then
        return query select (v_earlier.answer ->> 'reached')::bigint, true;
        return;
    end if;
    v_reached := kernel.send_signal(v_tenant, p_name, p_variables, p_initiator, null, '[]', kernel.now());
    perform kernel.remember_answer(v_tenant, p_idempotency_key, jsonb_build_object('reached', v_reached));
    return query select v_reached, false;
end $$;

create or replace function kernel.remember_answer(p_tenant_id text, p_key text, p_answer jsonb) returns void
language sql volatile set search_path = '' as $$
    update public.idempotency_key k set answer = p_answer where k.tenant_id = p_tenant_id and k.key = p_key
$$;

-- Tasks that stand alone, outside any process instance. p_tasks: see kernel.insert_tasks.
create or replace function public.enqueue_tasks(p_tasks jsonb) returns table (task_id uuid)
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_tenant text := kernel.require_tenant();
    v_now timestamptz := kernel.now();
begin
    perform kernel.require_room(v_tenant, kernel.count_agents_tasks(p_tasks), true, v_now);
    return query select t.task_id from kernel.insert_tasks(v_tenant, null, null, p_tasks, kernel.actor(), v_now) t;
end $$;

drop function if exists public.save_agent(text, text, text, text, text, text, jsonb);
create or replace function public.save_agent(
    p_agent_id text, p_name text, p_role text, p_goal text, p_persona text, p_model text, p_tools jsonb,
    p_limits jsonb default '{}')
returns setof public.agent_profile
language plpgsql volatile security definer set search_path = '' as $$
begin
    perform kernel.check_limits(p_limits, 'limits');
    return query
    insert into public.agent_profile as a (tenant_id, agent_id, name, role, goal, persona, model, tools, limits,
        updated_at)
    values (kernel.require_tenant(), p_agent_id, p_name, p_role, p_goal, p_persona, p_model, p_tools, p_limits,
            kernel.now())
    on conflict (tenant_id, agent_id) do update set name = excluded.name, role = excluded.role, goal = excluded.goal,
        persona = excluded.persona, model = excluded.model, tools = excluded.tools, limits = excluded.limits,
        updated_at = excluded.updated_at
    returning a.*;
end $$;

-- The functions on tool servers never return a credential: of the headers they give the names, of the url no query.
create or replace function kernel.shown_url(p_url text) returns text
language sql immutable set search_path = '' as $$
    select regexp_replace(p_url, '[?].*$', '?…')
$$;

create or replace function kernel.names_of(p_headers jsonb) returns jsonb
language sql immutable set search_path = '' as $$
    select coalesce(jsonb_agg(h order by h), '[]') from jsonb_object_keys(p_headers) h
$$;

create or replace function kernel.record_mcp_server(p_server public.mcp_server, p_deed text, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
begin
    perform kernel.record_event(p_server.tenant_id, null, null, 'MCP_SERVER_CHANGED', kernel.actor(),
        p_deed || ' ' || p_server.name, jsonb_build_object('name', p_server.name, 'enabled', p_server.enabled,
            'url', kernel.shown_url(p_server.url), 'header_names', kernel.names_of(p_server.headers)), p_now);
end $$;

create or replace function kernel.refuse_mcp_server(p_name text) returns void
language plpgsql volatile set search_path = '' as $$
begin
    perform kernel.refuse('PT404', format('There is no MCP server %s.', p_name), 'mcp_server_unknown',
                          'GET /mcp-servers lists them.');
end $$;

-- Adds a server or replaces the one of that name. p_headers null: those that are stored, which must not follow the
-- server to another host, where whoever changes the url could read them.
create or replace function public.put_mcp_server(
    p_name text, p_url text, p_description text, p_headers jsonb, p_enabled boolean, p_allowed_tools jsonb,
    p_idempotent_tools jsonb, p_timeout_seconds int)
returns table (name text, url text, description text, header_names jsonb, enabled boolean, allowed_tools jsonb,
               idempotent_tools jsonb, timeout_seconds int, created_at timestamptz, updated_at timestamptz)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
declare
    v_tenant text := kernel.require_tenant();
    v_now timestamptz := kernel.now();
    v_server public.mcp_server;
begin
    perform pg_advisory_xact_lock(hashtextextended(v_tenant || ' mcp_servers', 0));
    select m.* into v_server from public.mcp_server m where m.tenant_id = v_tenant and m.name = p_name;
    if not found and (select count(*) from public.mcp_server m where m.tenant_id = v_tenant) >= 50 then
        perform kernel.refuse('PT409', 'The tenant has 50 MCP servers already.', 'mcp_servers_full',
                              'Delete one that is not needed any more.');
    end if;
    if p_headers is null and v_server.headers <> '{}' and
       substring(v_server.url from '^https?://[^/?#]*') is distinct from substring(p_url from '^https?://[^/?#]*') then
        perform kernel.refuse('PT422', format('headers: those of MCP server %s were given for another host.', p_name),
                              'mcp_headers_missing', 'Give the headers again, or {} for none.');
    end if;
    insert into public.mcp_server as m (tenant_id, name, url, description, headers, enabled, allowed_tools,
        idempotent_tools, timeout_seconds, created_at, updated_at)
    values (v_tenant, p_name, p_url, p_description, coalesce(p_headers, v_server.headers, '{}'), p_enabled,
        p_allowed_tools, p_idempotent_tools, p_timeout_seconds, v_now, v_now)
    on conflict (tenant_id, name) do update set url = excluded.url, description = excluded.description,
        headers = excluded.headers, enabled = excluded.enabled, allowed_tools = excluded.allowed_tools,
        idempotent_tools = excluded.idempotent_tools, timeout_seconds = excluded.timeout_seconds,
        updated_at = excluded.updated_at
    returning m.* into v_server;
    perform kernel.record_mcp_server(v_server, 'saved', v_now);
    return query select * from public.find_mcp_servers(p_name);
end $$;

-- p_name null: all.
create or replace function public.find_mcp_servers(p_name text default null)
returns table (name text, url text, description text, header_names jsonb, enabled boolean, allowed_tools jsonb,
               idempotent_tools jsonb, timeout_seconds int, created_at timestamptz, updated_at timestamptz)
language sql stable security definer set search_path = '' as $$
    select m.name, kernel.shown_url(m.url), m.description, kernel.names_of(m.headers), m.enabled, m.allowed_tools,
           m.idempotent_tools, m.timeout_seconds, m.created_at, m.updated_at
    from public.mcp_server m
    where m.tenant_id = kernel.require_tenant() and (p_name is null or m.name = p_name) order by m.name
$$;

create or replace function public.switch_mcp_server(p_name text, p_enabled boolean)
returns table (name text, url text, description text, header_names jsonb, enabled boolean, allowed_tools jsonb,
               idempotent_tools jsonb, timeout_seconds int, created_at timestamptz, updated_at timestamptz)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
declare
    v_tenant text := kernel.require_tenant();
    v_now timestamptz := kernel.now();
    v_server public.mcp_server;
begin
    update public.mcp_server m set enabled = p_enabled, updated_at = v_now
    where m.tenant_id = v_tenant and m.name = p_name returning m.* into v_server;
    if not found then
        perform kernel.refuse_mcp_server(p_name);
    end if;
    perform kernel.record_mcp_server(v_server, case when p_enabled then 'enabled' else 'disabled' end, v_now);
    return query select * from public.find_mcp_servers(p_name);
end $$;

create or replace function public.delete_mcp_server(p_name text)
returns table (name text, url text, description text, header_names jsonb, enabled boolean, allowed_tools jsonb,
               idempotent_tools jsonb, timeout_seconds int, created_at timestamptz, updated_at timestamptz)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
declare
    v_tenant text := kernel.require_tenant();
    v_server public.mcp_server;
begin
    return query select * from public.find_mcp_servers(p_name);
    delete from public.mcp_server m
    where m.tenant_id = v_tenant and m.name = p_name returning m.* into v_server;
    if not found then
        perform kernel.refuse_mcp_server(p_name);
    end if;
    perform kernel.record_mcp_server(v_server, 'deleted', kernel.now());
end $$;

-- == 9. Documents ====================================================================================================

-- p_chunks: array of {chunk, heading, content, embedding: [1536 numbers]}. The same source replaces the document.
create or replace function kernel.store_document(
    p_tenant_id text, p_proc_inst_id uuid, p_title text, p_source text, p_media_type text, p_content text,
    p_sources jsonb, p_embedding_model text, p_chunks jsonb, p_actor text)
returns uuid
language plpgsql volatile set search_path = '' as $$
declare
    v_doc_id uuid;
begin
    insert into public.documents as d (tenant_id, doc_id, proc_inst_id, title, source, media_type, content, sources,
        created_by, created_at)
    values (p_tenant_id, kernel.new_id(), p_proc_inst_id, p_title, p_source, p_media_type, p_content, p_sources, p_actor,
            kernel.now())
    on conflict (tenant_id, source) do update set title = excluded.title, media_type = excluded.media_type,
        content = excluded.content, sources = excluded.sources, created_by = excluded.created_by,
        created_at = excluded.created_at
    returning d.doc_id into v_doc_id;
    delete from public.document_chunk c where c.tenant_id = p_tenant_id and c.doc_id = v_doc_id;
    insert into public.document_chunk (tenant_id, doc_id, chunk, heading, content, embedding_model, embedding)
    select p_tenant_id, v_doc_id, (c ->> 'chunk')::int, c ->> 'heading', c ->> 'content', p_embedding_model,
           (c ->> 'embedding')::extensions.vector
    from jsonb_array_elements(p_chunks) c;
    return v_doc_id;
end $$;

-- All or none. p_documents: array of {title, source, media_type, content, chunks}; see kernel.store_document for
-- chunks.
create or replace function public.save_documents(p_embedding_model text, p_documents jsonb)
returns table (doc_id uuid, title text, source text)
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_tenant_id text := kernel.require_tenant();
    v_document jsonb;
begin
    for v_document in select d from jsonb_array_elements(p_documents) d loop
        title := v_document ->> 'title';
        source := v_document ->> 'source';
        doc_id := kernel.store_document(v_tenant_id, null, title, source, v_document ->> 'media_type',
                                        v_document ->> 'content', '[]', p_embedding_model, v_document -> 'chunks',
                                        kernel.actor());
        return next;
    end loop;
end $$;

-- For programs of the first schema; save_documents is what took its place.
create or replace function public.save_document(
    p_title text, p_source text, p_media_type text, p_content text, p_embedding_model text, p_chunks jsonb)
returns table (doc_id uuid, title text)
language sql volatile security definer set search_path = '' as $$
    select s.doc_id, s.title from public.save_documents(p_embedding_model, jsonb_build_array(jsonb_build_object(
        'title', p_title, 'source', p_source, 'media_type', p_media_type, 'content', p_content, 'chunks', p_chunks))) s
$$;

create or replace function public.delete_document(p_doc_id uuid)
returns table (doc_id uuid, title text, source text)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
declare
    v_tenant_id text := kernel.require_tenant();
begin
    return query delete from public.documents d where d.tenant_id = v_tenant_id and d.doc_id = p_doc_id
        returning d.doc_id, d.title, d.source;
    if not found then
        perform kernel.refuse('PT404', format('There is no document %s.', p_doc_id), 'document_unknown',
                              'GET /documents lists them.');
    end if;
end $$;

-- A document that a task made: fenced like every other write of a task, and stored once for each idempotency key.
drop function if exists public.save_task_document(text, uuid, bigint, text, text, jsonb, text, jsonb);
create or replace function public.save_task_document(
    p_tenant_id text, p_task_id uuid, p_fencing_token bigint, p_title text, p_content text, p_sources jsonb,
    p_embedding_model text, p_chunks jsonb, p_idempotency_key uuid default null)
returns table (doc_id uuid, title text)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
declare
    v_task public.todolist := kernel.claimed_task(p_tenant_id, p_task_id, p_fencing_token);
    v_doc_id uuid;
begin
    select d.doc_id into v_doc_id from public.documents d
    where d.tenant_id = p_tenant_id and d.idempotency_key = p_idempotency_key;
    if found then
        return query select v_doc_id, p_title;
        return;
    end if;
    v_doc_id := kernel.store_document(p_tenant_id, v_task.proc_inst_id, p_title, null, 'text/markdown', p_content,
                                      p_sources, p_embedding_model, p_chunks, 'pod:' || v_task.pod_id);
    update public.documents d set idempotency_key = p_idempotency_key
    where d.tenant_id = p_tenant_id and d.doc_id = v_doc_id;
    perform kernel.record_event(p_tenant_id, v_task.proc_inst_id, p_task_id, 'DOCUMENT_SAVED', 'pod:' || v_task.pod_id,
                                p_title, jsonb_build_object('document_id', v_doc_id), kernel.now());
    return query select v_doc_id, p_title;
end $$;

-- Hybrid search: the nearest chunks by meaning and by words, joined by reciprocal rank fusion (Cormack, Clarke,
-- Buettcher 2009, k = 60). By words, each word weighs what it is worth in BM25 (Robertson, Zaragoza 2009, 3.1): one
-- that few chunks hold counts more. Both scans are exact within the tenant.
create or replace function public.search_documents(
    p_query text, p_embedding_model text, p_embedding jsonb, p_limit int)
returns table (doc_id uuid, title text, source text, chunk int, heading text, content text, score double precision)
language sql stable set search_path = public, extensions as $$
    with question as (
        select p_embedding::text::vector as meaning
    ), by_meaning as (
        select c.doc_id, c.chunk, row_number() over (order by c.embedding <=> q.meaning, c.doc_id, c.chunk) as place
        from document_chunk c, question q
        where c.embedding_model = p_embedding_model
        order by place limit 40
    ), words as (
        select ('''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || '''')::tsquery as word
        from unnest(tsvector_to_array(to_tsvector('pg_catalog.english', p_query))) lexeme
    ), weights as (
        select w.word, ln(1 + (every_chunk.number - holders.number + 0.5) / (holders.number + 0.5)) as weight
        from words w, (select count(*) as number from document_chunk) every_chunk,
             lateral (select count(*) as number from document_chunk c where c.words @@ w.word) holders
    ), by_words as (
        select c.doc_id, c.chunk,
               row_number() over (order by sum(w.weight * ts_rank(c.words, w.word, 1)) desc, c.doc_id, c.chunk) as place
        from weights w join document_chunk c on c.words @@ w.word
        group by c.doc_id, c.chunk
        order by place limit 40
    )
    select d.doc_id, d.title, d.source, c.chunk, c.heading, c.content,
           coalesce(1.0 / (60 + m.place), 0)::double precision + coalesce(1.0 / (60 + w.place), 0)::double precision
    from by_meaning m full join by_words w using (doc_id, chunk)
    join document_chunk c using (doc_id, chunk) join documents d using (doc_id)
    order by 7 desc, d.doc_id, c.chunk limit least(p_limit, 50)
$$;

-- == 10. Notifications and outbox ====================================================================================
-- A transition that people should hear of calls kernel.notify in its own transaction: one row in notifications, and
-- one in the outbox for each way the person, their devices and the tenant's webhook endpoints want to be told. What is
-- committed is sent; what is rolled back was never said. Anything else that has to leave the database goes through
-- kernel.put_outbox as well.
--
--     PENDING -> SENDING -> DELIVERED
--                  | \-> PENDING   (later, with exponential backoff; or handed back, or its lease ran out)
--                  | \-> DEAD      (refused for good, too many attempts, or too old) -> PENDING by retry_delivery

-- Addresses are compared without regard to case; names of groups and other ids with it.
create or replace function kernel.person(p_user_id text) returns text
language sql immutable set search_path = '' as $$
    select case when p_user_id like '%@%' and p_user_id not like 'group:%' then lower(p_user_id) else p_user_id end
$$;

create or replace function kernel.default_channels() returns jsonb
language sql immutable set search_path = '' as $$
    select '{"TASK_ASSIGNED": ["fcm"], "TASK_REASSIGNED": ["fcm"], "TASK_DUE_SOON": ["fcm"], "TASK_OVERDUE": ["fcm"],
             "PROCESS_DONE": ["fcm"], "INCIDENT": ["fcm"]}'::jsonb
$$;

-- How a person is told of what: their own choice for each type, else the tenant's ('*'), else the default.
create or replace function kernel.preferences_of(p_tenant_id text, p_user_id text)
returns public.notification_preference
language sql stable set search_path = '' as $$
    select p_tenant_id, p_user_id,
           kernel.default_channels() || coalesce(everybody.channels, '{}') || coalesce(own.channels, '{}'),
           case when own.user_id is null then everybody.quiet else own.quiet end,
           coalesce(own.email, case when p_user_id like '%@%' and p_user_id not like 'group:%' then p_user_id end),
           coalesce(own.updated_at, everybody.updated_at)
    from (select) one
    left join public.notification_preference everybody on everybody.tenant_id = p_tenant_id and everybody.user_id = '*'
    left join public.notification_preference own on own.tenant_id = p_tenant_id and own.user_id = p_user_id
$$;

-- The end of the quiet time that p_now is in; p_now itself outside of it.
create or replace function kernel.quiet_until(p_quiet jsonb, p_now timestamptz) returns timestamptz
language plpgsql stable set search_path = '' as $$
declare
    v_zone text := p_quiet ->> 'time_zone';
    v_begin time := (p_quiet ->> 'begin')::time;
    v_end time := (p_quiet ->> 'end')::time;
    v_local timestamp := p_now at time zone v_zone;
begin
    if p_quiet is null or (case when v_begin < v_end then v_local::time < v_begin or v_local::time >= v_end
                                else v_local::time < v_begin and v_local::time >= v_end end) then
        return p_now;
    end if;
    return (v_local::date + v_end + case when v_local::time < v_end then interval '0' else interval '1 day' end)
        at time zone v_zone;
end $$;

-- Wakes those who listen to p_channel, at most once in 50 ms; p_register remembers when. They look again a moment after
-- each wake-up, so that what was written within the 50 ms is found too.
create or replace function kernel.wake_listeners(p_channel text, p_register regclass) returns void
language plpgsql volatile set search_path = '' as $$
declare
    v_ms bigint := extract(epoch from clock_timestamp()) * 1000;
begin
    if v_ms - coalesce(pg_sequence_last_value(p_register), 0) >= 50 then
        perform setval(p_register, v_ms);
        perform pg_notify(p_channel, '');
    end if;
end $$;

-- Adds what has to leave the database; the same p_idempotency_key (null: a new one) a second time adds nothing.
create or replace function kernel.put_outbox(
    p_tenant_id text, p_channel public.outbox_channel, p_destination text, p_payload jsonb, p_idempotency_key text,
    p_proc_inst_id uuid, p_task_id uuid, p_not_before timestamptz, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
begin
    insert into public.outbox (tenant_id, channel, destination, payload, idempotency_key, proc_inst_id, task_id, status,
        attempts, next_attempt_at, created_at)
    values (p_tenant_id, p_channel, p_destination, p_payload, coalesce(p_idempotency_key, kernel.new_id()::text),
        p_proc_inst_id, p_task_id, 'PENDING', 0, p_not_before, p_now)
    on conflict (tenant_id, idempotency_key) do nothing;
    perform kernel.wake_listeners('fleet_outbox', 'kernel.last_outbox_ms');
end $$;

-- Tells a person (p_user_id: an e-mail address, group:NAME or another id) of something.
create or replace function kernel.notify(
    p_tenant_id text, p_user_id text, p_type text, p_proc_inst_id uuid, p_task_id uuid, p_message text,
    p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
declare
    v_person text := kernel.person(p_user_id);
    v_wish public.notification_preference := kernel.preferences_of(p_tenant_id, v_person);
    v_ways jsonb := v_wish.channels -> p_type;
    v_id bigint;
    v_payload jsonb;
begin
    insert into public.notifications (tenant_id, user_id, proc_inst_id, task_id, type, message, created_at)
    values (p_tenant_id, v_person, p_proc_inst_id, p_task_id, p_type, p_message, p_now)
    returning notify_id into v_id;
    perform kernel.wake_listeners('fleet_notifications', 'kernel.last_notification_ms');
    v_payload := jsonb_build_object('type', p_type, 'timestamp', p_now, 'data', jsonb_build_object(
        'notify_id', v_id, 'tenant_id', p_tenant_id, 'user_id', v_person, 'proc_inst_id', p_proc_inst_id,
        'task_id', p_task_id, 'message', p_message));
    perform kernel.put_outbox(p_tenant_id, w.channel, w.destination, v_payload, null, p_proc_inst_id, p_task_id,
                              case when w.channel = 'webhook' then p_now
                                   else kernel.quiet_until(v_wish.quiet, p_now) end, p_now)
    from (select 'email'::public.outbox_channel as channel, v_wish.email as destination
          where v_ways ? 'email' and v_wish.email is not null
          union all
          select 'fcm', d.device_id::text from public.device_token d
          where v_ways ? 'fcm' and d.tenant_id = p_tenant_id and d.user_id = v_person
          union all
          select 'webhook', e.endpoint_id::text from public.webhook_endpoint e
          where e.tenant_id = p_tenant_id and e.enabled and (e.types = '[]' or e.types ? p_type)) w;
end $$;

-- Those of a person and of the caller's groups; p_user_id null: any of the tenant.
create or replace function public.mark_notification(p_notify_id bigint, p_user_id text, p_read_flag boolean)
returns setof public.notifications
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_tenant text := kernel.require_tenant();
begin
    return query
    update public.notifications n set read_flag = p_read_flag
    where n.tenant_id = v_tenant and n.notify_id = p_notify_id
      and (p_user_id is null or n.user_id = kernel.person(p_user_id)
           or n.user_id like 'group:%' and kernel.claims() -> 'groups' ? substr(n.user_id, length('group:') + 1))
    returning n.*;
    if not found then
        perform kernel.refuse('PT404', format('There is no notification %s.', p_notify_id), 'notification_unknown',
                              'GET /notifications lists them.');
    end if;
end $$;

-- All of one person up to p_through, the newest that they have seen.
create or replace function public.mark_notifications(p_user_id text, p_through bigint) returns table (marked bigint)
language sql volatile security definer set search_path = '' as $$
    with marked as (
        update public.notifications n set read_flag = true
        where n.tenant_id = kernel.require_tenant() and n.user_id = kernel.person(p_user_id)
          and n.notify_id <= p_through and not n.read_flag
        returning 1)
    select count(*) from marked
$$;

create or replace function public.get_preferences(p_user_id text)
returns table (user_id text, channels jsonb, quiet jsonb, email text, updated_at timestamptz)
language sql stable security definer set search_path = '' as $$
    select p.user_id, p.channels, p.quiet, p.email, p.updated_at
    from kernel.preferences_of(kernel.require_tenant(), kernel.person(p_user_id)) p
$$;

-- p_email null: the address that is stored stays. Returns what holds for the person from now on.
create or replace function public.save_preferences(
    p_user_id text, p_channels jsonb, p_quiet jsonb default null, p_email text default null)
returns table (user_id text, channels jsonb, quiet jsonb, email text, updated_at timestamptz)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
declare
    v_now timestamptz := kernel.quiet_until(p_quiet, kernel.now());  -- refuses a time zone that is none
begin
    insert into public.notification_preference as p (tenant_id, user_id, channels, quiet, email, updated_at)
    values (kernel.require_tenant(), kernel.person(p_user_id), p_channels, p_quiet, p_email, kernel.now())
    on conflict (tenant_id, user_id) do update set channels = excluded.channels, quiet = excluded.quiet,
        email = coalesce(excluded.email, p.email), updated_at = excluded.updated_at;
    return query select * from public.get_preferences(p_user_id);
end $$;

-- A token that is there already is now this person's: somebody else has logged in on the device. A person has at most
-- 20 devices; the one that was registered longest ago makes room.
create or replace function public.save_device(p_user_id text, p_token text, p_platform text)
returns table (device_id uuid, user_id text, platform text, registered_at timestamptz)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
declare
    v_tenant text := kernel.require_tenant();
    v_person text := kernel.person(p_user_id);
begin
    return query
    insert into public.device_token as d (tenant_id, device_id, user_id, token, platform, registered_at)
    values (v_tenant, kernel.new_id(), v_person, p_token, p_platform, kernel.now())
    on conflict (tenant_id, token) do update set user_id = excluded.user_id, platform = excluded.platform,
        registered_at = excluded.registered_at
    returning d.device_id, d.user_id, d.platform, d.registered_at;
    delete from public.device_token d where d.tenant_id = v_tenant and d.device_id in (
        select o.device_id from public.device_token o where o.tenant_id = v_tenant and o.user_id = v_person
        order by o.registered_at desc offset 20);
end $$;

create or replace function public.find_devices(p_user_id text)
returns table (device_id uuid, user_id text, platform text, registered_at timestamptz)
language sql stable security definer set search_path = '' as $$
    select d.device_id, d.user_id, d.platform, d.registered_at from public.device_token d
    where d.tenant_id = kernel.require_tenant() and d.user_id = kernel.person(p_user_id) order by d.registered_at desc
$$;

-- p_user_id null: anybody's.
drop function if exists public.delete_device(uuid, text);
create or replace function public.delete_device(p_device_id uuid, p_user_id text)
returns table (device_id uuid, user_id text, platform text, registered_at timestamptz)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
declare
    v_tenant text := kernel.require_tenant();
begin
    return query
    delete from public.device_token d
    where d.tenant_id = v_tenant and d.device_id = p_device_id
      and (p_user_id is null or d.user_id = kernel.person(p_user_id))
    returning d.device_id, d.user_id, d.platform, d.registered_at;
    if not found then
        perform kernel.refuse('PT404', format('There is no device %s.', p_device_id), 'device_unknown',
                              'GET /device-tokens lists them.');
    end if;
end $$;

-- The functions on webhook endpoints never return a secret.
drop function if exists public.create_webhook(text, text, jsonb, text);
create or replace function public.create_webhook(p_url text, p_description text, p_types jsonb, p_secret text)
returns table (endpoint_id uuid, url text, description text, types jsonb, enabled boolean, disabled_reason text,
               created_at timestamptz, old_secret_until timestamptz)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
declare
    v_tenant text := kernel.require_tenant();
begin
    perform pg_advisory_xact_lock(hashtextextended(v_tenant || ' webhooks', 0));
    if (select count(*) from public.webhook_endpoint e where e.tenant_id = v_tenant) >= 20 then
        perform kernel.refuse('PT409', 'The tenant has 20 webhook endpoints already.', 'webhooks_full',
                              'Delete one that is not needed any more.');
    end if;
    return query
    insert into public.webhook_endpoint as e (tenant_id, endpoint_id, url, description, types, enabled, secret, created_at)
    values (v_tenant, kernel.new_id(), p_url, p_description, p_types, true, p_secret, kernel.now())
    returning e.endpoint_id, e.url, e.description, e.types, e.enabled, e.disabled_reason, e.created_at,
        e.old_secret_until;
end $$;

drop function if exists public.save_webhook(uuid, text, text, jsonb, boolean);
create or replace function public.save_webhook(
    p_endpoint_id uuid, p_url text, p_description text, p_types jsonb, p_enabled boolean)
returns table (endpoint_id uuid, url text, description text, types jsonb, enabled boolean, disabled_reason text,
               created_at timestamptz, old_secret_until timestamptz)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
declare
    v_tenant text := kernel.require_tenant();
begin
    return query
    update public.webhook_endpoint e set url = p_url, description = p_description, types = p_types, enabled = p_enabled,
        disabled_reason = case when p_enabled then null else e.disabled_reason end
    where e.tenant_id = v_tenant and e.endpoint_id = p_endpoint_id
    returning e.endpoint_id, e.url, e.description, e.types, e.enabled, e.disabled_reason, e.created_at,
        e.old_secret_until;
    if not found then
        perform kernel.refuse_webhook(p_endpoint_id);
    end if;
end $$;

-- p_endpoint_id null: all.
drop function if exists public.find_webhooks(uuid);
create or replace function public.find_webhooks(p_endpoint_id uuid default null)
returns table (endpoint_id uuid, url text, description text, types jsonb, enabled boolean, disabled_reason text,
               created_at timestamptz, old_secret_until timestamptz)
language sql stable security definer set search_path = '' as $$
    select e.endpoint_id, e.url, e.description, e.types, e.enabled, e.disabled_reason, e.created_at,
           e.old_secret_until
    from public.webhook_endpoint e
    where e.tenant_id = kernel.require_tenant() and (p_endpoint_id is null or e.endpoint_id = p_endpoint_id)
    order by e.endpoint_id
$$;

-- What is still in the outbox for it will end DEAD.
drop function if exists public.delete_webhook(uuid);
create or replace function public.delete_webhook(p_endpoint_id uuid)
returns table (endpoint_id uuid, url text, description text, types jsonb, enabled boolean, disabled_reason text,
               created_at timestamptz, old_secret_until timestamptz)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
declare
    v_tenant text := kernel.require_tenant();
begin
    return query
    delete from public.webhook_endpoint e
    where e.tenant_id = v_tenant and e.endpoint_id = p_endpoint_id
    returning e.endpoint_id, e.url, e.description, e.types, e.enabled, e.disabled_reason, e.created_at,
        e.old_secret_until;
    if not found then
        perform kernel.refuse_webhook(p_endpoint_id);
    end if;
end $$;

-- Messages are signed with both secrets for p_grace_seconds: old_secret_until. A rotation before that time ends the
-- secret before the old one at once.
create or replace function public.rotate_webhook_secret(p_endpoint_id uuid, p_secret text, p_grace_seconds int)
returns table (endpoint_id uuid, url text, description text, types jsonb, enabled boolean, disabled_reason text,
               created_at timestamptz, old_secret_until timestamptz)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
declare
    v_tenant text := kernel.require_tenant();
    v_now timestamptz := kernel.now();
begin
    return query
    update public.webhook_endpoint e set secret = p_secret, old_secret = e.secret,
        old_secret_until = v_now + p_grace_seconds * interval '1 second'
    where e.tenant_id = v_tenant and e.endpoint_id = p_endpoint_id
    returning e.endpoint_id, e.url, e.description, e.types, e.enabled, e.disabled_reason, e.created_at,
        e.old_secret_until;
    if not found then
        perform kernel.refuse_webhook(p_endpoint_id);
    end if;
    perform kernel.record_event(v_tenant, null, null, 'WEBHOOK_SECRET_ROTATED', kernel.actor(), null,
        jsonb_build_object('endpoint_id', p_endpoint_id, 'grace_seconds', p_grace_seconds), v_now);
end $$;

create or replace function kernel.refuse_webhook(p_endpoint_id uuid) returns void
language plpgsql volatile set search_path = '' as $$
begin
    perform kernel.refuse('PT404', format('There is no webhook endpoint %s.', p_endpoint_id), 'webhook_unknown',
                          'GET /webhooks lists them.');
end $$;

-- What is in the outbox of the tenant, newest first, without what it says.
create or replace function public.find_deliveries(
    p_status public.outbox_status default null, p_before bigint default null, p_limit int default 50)
returns table (outbox_id bigint, channel public.outbox_channel, destination text, proc_inst_id uuid, task_id uuid,
               status public.outbox_status, attempts int, next_attempt_at timestamptz, last_error text,
               created_at timestamptz, finished_at timestamptz)
language sql stable security definer set search_path = '' as $$
    select o.outbox_id, o.channel, o.destination, o.proc_inst_id, o.task_id, o.status, o.attempts, o.next_attempt_at,
           o.last_error, o.created_at, o.finished_at
    from public.outbox o
    where o.tenant_id = kernel.require_tenant() and (p_status is null or o.status = p_status)
      and (p_before is null or o.outbox_id < p_before)
    order by o.outbox_id desc limit least(p_limit, 500)
$$;

-- It counts as written now: its three days begin again.
drop function if exists public.retry_delivery(bigint);
create or replace function public.retry_delivery(p_outbox_id bigint)
returns table (outbox_id bigint, channel public.outbox_channel, destination text, proc_inst_id uuid, task_id uuid,
               status public.outbox_status, attempts int, next_attempt_at timestamptz, last_error text,
               created_at timestamptz, finished_at timestamptz)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
declare
    v_tenant text := kernel.require_tenant();
    v_now timestamptz := kernel.now();
    v_status public.outbox_status;
begin
    select o.status into v_status from public.outbox o
    where o.tenant_id = v_tenant and o.outbox_id = p_outbox_id for no key update;
    if not found then
        perform kernel.refuse('PT404', format('There is no delivery %s.', p_outbox_id), 'delivery_unknown',
                              'GET /deliveries lists them.');
    elsif v_status <> 'DEAD' then
        perform kernel.refuse('PT409', format('Delivery %s is %s: only a DEAD one can be tried again.', p_outbox_id,
                                              v_status), 'delivery_not_dead');
    end if;
    update public.outbox o set status = 'PENDING', attempts = 0, next_attempt_at = v_now, created_at = v_now,
        finished_at = null
    where o.tenant_id = v_tenant and o.outbox_id = p_outbox_id;
    perform kernel.wake_listeners('fleet_outbox', 'kernel.last_outbox_ms');
    return query select * from public.find_deliveries(p_before => p_outbox_id + 1, p_limit => 1);
end $$;

-- Claims up to p_limit of what is due on p_channels, for p_lease_seconds. No tenant gets more than p_per_tenant on a
-- channel at one time, over all deliverers, so that one with slow receivers leaves room for the others; which tenants
-- come first is left to chance. target: {url, secret} of a webhook endpoint, with old_secret for a time after a
-- rotation; {token} of a device; null where it is gone. The tenants with something open are found by jumping from one
-- to the next in the index.
create or replace function public.claim_deliveries(
    p_channels jsonb, p_limit int, p_per_tenant int, p_lease_seconds int)
returns table (tenant_id text, outbox_id bigint, channel public.outbox_channel, destination text, payload jsonb,
               idempotency_key text, attempts int, fencing_token bigint, created_at timestamptz, target jsonb)
language plpgsql volatile security definer set search_path = '' set enable_seqscan = off
set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare
    v_now timestamptz := kernel.now();
    v_channels public.outbox_channel[] := array(select jsonb_array_elements_text(p_channels)::public.outbox_channel);
begin
    return query
    with recursive open as (
        select c.channel, (select min(o.tenant_id) from public.outbox o
                           where o.channel = c.channel and o.status in ('PENDING', 'SENDING')) as tenant_id
        from unnest(v_channels) c (channel)
        union all
        select t.channel, (select min(o.tenant_id) from public.outbox o
                           where o.channel = t.channel and o.tenant_id > t.tenant_id
                             and o.status in ('PENDING', 'SENDING'))
        from open t where t.tenant_id is not null
    ), due as (
        select d.tenant_id, d.outbox_id
        from (select * from open where open.tenant_id is not null order by random()) t,
        lateral (select count(*) as running from public.outbox s
                 where s.channel = t.channel and s.tenant_id = t.tenant_id and s.status = 'SENDING'
                   and s.next_attempt_at > v_now) r,
        lateral (select o.tenant_id, o.outbox_id from public.outbox o
                 where o.channel = t.channel and o.tenant_id = t.tenant_id and o.status in ('PENDING', 'SENDING')
                   and o.next_attempt_at <= v_now
                 order by o.next_attempt_at limit greatest(0, p_per_tenant - r.running)
                 for no key update skip locked) d
        limit p_limit
    )
    update public.outbox o set status = 'SENDING', attempts = o.attempts + 1,
        fencing_token = nextval('kernel.delivery_token'), next_attempt_at = v_now + p_lease_seconds * interval '1 second'
    from due where o.tenant_id = due.tenant_id and o.outbox_id = due.outbox_id
    returning o.tenant_id, o.outbox_id, o.channel, o.destination, o.payload, o.idempotency_key, o.attempts,
        o.fencing_token, o.created_at,
        case when o.channel in ('webhook', 'message') then (
            select jsonb_strip_nulls(jsonb_build_object('url', e.url, 'secret', e.secret, 'old_secret',
                case when e.old_secret_until > v_now then e.old_secret end))
            from public.webhook_endpoint e
            where e.tenant_id = o.tenant_id and e.endpoint_id::text = o.destination and e.enabled)
        when o.channel = 'fcm' then (
            select jsonb_build_object('token', d.token) from public.device_token d
            where d.tenant_id = o.tenant_id and d.device_id = o.destination::uuid)
        end;
end $$;

create or replace function kernel.bury_delivery(p_delivery public.outbox, p_reason text, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
begin
    update public.outbox o set status = 'DEAD', last_error = p_reason, finished_at = p_now
    where o.tenant_id = p_delivery.tenant_id and o.outbox_id = p_delivery.outbox_id;
    perform kernel.record_event(p_delivery.tenant_id, p_delivery.proc_inst_id, p_delivery.task_id, 'DELIVERY_DEAD',
        'kernel', p_reason, jsonb_build_object('outbox_id', p_delivery.outbox_id, 'channel', p_delivery.channel,
        'destination', p_delivery.destination, 'attempts', p_delivery.attempts), p_now);
end $$;

-- Ends a claimed delivery. p_outcome:
--   delivered  the receiver has it
--   retry      again later: after 5 s, 15 s, 45 s ... at most 6 hours and up to a fifth more at random, or after
--              p_retry_after_seconds where the receiver named a time (at most a day); DEAD after 14 attempts
--   dead       the receiver will never take it
--   gone       the same, and the receiver wants nothing any more: its endpoint is disabled, its device forgotten
--   released   handed back unsent; the attempt does not count
-- Refused with PT409 lease_lost unless the fencing token is the one of the running claim.
create or replace function public.finish_delivery(
    p_tenant_id text, p_outbox_id bigint, p_fencing_token bigint, p_outcome text, p_error text default null,
    p_retry_after_seconds double precision default null)
returns table (status public.outbox_status, next_attempt_at timestamptz)
language plpgsql volatile security definer set search_path = '' as $$
#variable_conflict use_column
declare
    v_now timestamptz := kernel.now();
    v_delivery public.outbox;
    v_seconds double precision;
begin
    select o.* into v_delivery from public.outbox o
    where o.tenant_id = p_tenant_id and o.outbox_id = p_outbox_id and o.fencing_token = p_fencing_token
      and o.status = 'SENDING' for no key update;
    if not found then
        perform kernel.refuse('PT409', 'The lease of this delivery is lost: another claim came first.', 'lease_lost',
                              'Leave it to the other one.');
    end if;
    case p_outcome
    when 'delivered' then
        update public.outbox o set status = 'DELIVERED', last_error = null, finished_at = v_now
        where o.tenant_id = p_tenant_id and o.outbox_id = p_outbox_id;
    when 'released' then
        update public.outbox o set status = 'PENDING', attempts = o.attempts - 1, next_attempt_at = v_now
        where o.tenant_id = p_tenant_id and o.outbox_id = p_outbox_id;
    when 'retry' then
        if v_delivery.attempts >= 14 then
            perform kernel.bury_delivery(v_delivery, format('gave up after %s attempts: %s', v_delivery.attempts,
                                                            p_error), v_now);
        else
            v_seconds := case when p_retry_after_seconds is null
                then least(5 * 3.0 ^ (v_delivery.attempts - 1), 21600) * (1 + random() / 5)
                else least(greatest(p_retry_after_seconds, 1), 86400) end;
            update public.outbox o set status = 'PENDING', last_error = p_error,
                next_attempt_at = v_now + v_seconds * interval '1 second'
            where o.tenant_id = p_tenant_id and o.outbox_id = p_outbox_id;
        end if;
    when 'dead' then
        perform kernel.bury_delivery(v_delivery, p_error, v_now);
    when 'gone' then
        perform kernel.bury_delivery(v_delivery, p_error, v_now);
        update public.webhook_endpoint e set enabled = false, disabled_reason = p_error
        where v_delivery.channel in ('webhook', 'message') and e.tenant_id = p_tenant_id
          and e.endpoint_id::text = v_delivery.destination;
        delete from public.device_token d
        where v_delivery.channel = 'fcm' and d.tenant_id = p_tenant_id and d.device_id::text = v_delivery.destination;
    else
        perform kernel.refuse('PT422', format('outcome "%s" is not known', p_outcome), 'outcome',
                              'Use delivered, retry, dead, gone or released.');
    end case;
    return query select o.status, o.next_attempt_at from public.outbox o
    where o.tenant_id = p_tenant_id and o.outbox_id = p_outbox_id;
end $$;

-- Upkeep, about once a minute: what nobody could send within three days, and what its senders did not survive, is DEAD;
-- rows that were DELIVERED a week ago and DEAD a month ago are deleted. At most 1000 of each at a time.
create or replace function public.tend_outbox() returns table (buried bigint, deleted bigint)
language plpgsql volatile security definer set search_path = '' set enable_seqscan = off as $$
declare
    v_now timestamptz := kernel.now();
    v_delivery public.outbox;
begin
    update public.webhook_endpoint e set old_secret = null
    where e.old_secret is not null and e.old_secret_until <= v_now;
    buried := 0;
    for v_delivery in
        select o.* from public.outbox o
        where o.status in ('PENDING', 'SENDING') and o.created_at < v_now - interval '3 days'
          and (o.status = 'PENDING' or o.next_attempt_at < v_now)
        order by o.created_at limit 1000 for no key update skip locked
    loop
        perform kernel.bury_delivery(v_delivery, 'not delivered within three days'
            || coalesce(': ' || v_delivery.last_error, ''), v_now);
        buried := buried + 1;
    end loop;
    for v_delivery in
        select o.* from public.outbox o
        where o.status = 'SENDING' and o.next_attempt_at < v_now and o.attempts >= 14
        limit 1000 for no key update skip locked
    loop
        perform kernel.bury_delivery(v_delivery, format('the deliverer was lost in each of the last of %s attempts',
                                                        v_delivery.attempts), v_now);
        buried := buried + 1;
    end loop;
    delete from public.outbox o using (
        select f.tenant_id, f.outbox_id from public.outbox f
        where f.status in ('DELIVERED', 'DEAD')
          and f.finished_at < v_now - case f.status when 'DEAD' then interval '30 days' else interval '7 days' end
        order by f.finished_at limit 1000 for update skip locked) f
    where o.tenant_id = f.tenant_id and o.outbox_id = f.outbox_id;
    get diagnostics deleted = row_count;
    return next;
end $$;

-- Upkeep, about once a minute: tells the assignee, or where there is none the groups, of tasks whose time has come, and
-- a day before; where there was less than two days' time, at half of it. At most 500 of each at a time.
create or replace function public.remind_people() returns table (reminded bigint)
language plpgsql volatile security definer set search_path = '' as $$
declare
    v_now timestamptz := kernel.now();
    v_task public.todolist;
    v_type text;
begin
    reminded := 0;
    foreach v_type in array array['TASK_OVERDUE', 'TASK_DUE_SOON'] loop
        for v_task in
            select t.* from public.todolist t
            where t.status = 'TODO' and t.due_at is not null and case v_type
                when 'TASK_OVERDUE' then t.due_at <= v_now
                else t.due_at > v_now and t.due_at <= v_now + interval '1 day'
                     and t.due_at - least(interval '1 day', (t.due_at - t.created_at) / 2) <= v_now end
              and t.due_at <= v_now + interval '1 day'
              and not exists (select from public.task_reminder r where r.tenant_id = t.tenant_id
                              and r.task_id = t.task_id and r.type = v_type and r.due_at = t.due_at)
            order by t.due_at limit 500 for no key update skip locked
        loop
            insert into public.task_reminder (tenant_id, task_id, type, due_at)
            values (v_task.tenant_id, v_task.task_id, v_type, v_task.due_at)
            on conflict do nothing;
            if v_task.assignee is not null then
                v_task.candidate_groups := '[]';
            end if;
            perform kernel.notify_people(v_task, v_now, v_type);
            reminded := reminded + 1;
        end loop;
    end loop;
    delete from public.task_reminder r using (
        select o.tenant_id, o.task_id, o.type, o.due_at from public.task_reminder o
        where o.due_at < v_now - interval '1 day' and not exists (
            select from public.todolist t where t.tenant_id = o.tenant_id and t.task_id = o.task_id
              and t.status = 'TODO')
        limit 1000) o
    where r.tenant_id = o.tenant_id and r.task_id = o.task_id and r.type = o.type and r.due_at = o.due_at;
    return next;
end $$;

-- Gauges of each channel over all tenants; counts stop at 1000.
create or replace function public.outbox_depths()
returns table (channel text, due bigint, scheduled bigint, sending bigint, dead bigint, oldest_due_seconds double precision)
language sql stable security definer set search_path = '' set enable_seqscan = off as $$
    select c.channel::text, due.n, scheduled.n, sending.n, dead.n,
           coalesce(extract(epoch from kernel.now() - due.oldest), 0)::double precision
    from unnest(enum_range(null::public.outbox_channel)) c (channel),
    lateral (select count(*) as n, min(h.next_attempt_at) as oldest from (
        select o.next_attempt_at from public.outbox o
        where o.channel = c.channel and o.status = 'PENDING' and o.next_attempt_at <= kernel.now() limit 1000) h) due,
    lateral (select count(*) as n from (
        select from public.outbox o
        where o.channel = c.channel and o.status = 'PENDING' and o.next_attempt_at > kernel.now() limit 1000) h) scheduled,
    lateral (select count(*) as n from (
        select from public.outbox o where o.channel = c.channel and o.status = 'SENDING' limit 1000) h) sending,
    lateral (select count(*) as n from (
        select from public.outbox o where o.channel = c.channel and o.status = 'DEAD' limit 1000) h) dead
    order by 1
$$;

-- Newest first. p_user_id null: of everybody.
create or replace function public.find_notifications(
    p_user_id text default null, p_unread boolean default false, p_type text default null,
    p_proc_inst_id uuid default null, p_before bigint default null, p_limit int default 50)
returns setof public.notifications
language sql stable set search_path = '' as $$
    select n.* from public.notifications n
    where (p_user_id is null or n.user_id = case when p_user_id like '%@%' and p_user_id not like 'group:%'
                                                 then lower(p_user_id) else p_user_id end)
      and (not p_unread or not n.read_flag) and (p_type is null or n.type = p_type)
      and (p_proc_inst_id is null or n.proc_inst_id = p_proc_inst_id)
      and (p_before is null or n.notify_id < p_before)
    order by n.notify_id desc limit least(p_limit, 500)
$$;

-- Oldest first, from after p_after on; p_user_id null: of everybody.
create or replace function public.follow_notifications(p_after bigint, p_user_id text default null, p_limit int default 200)
returns setof public.notifications
language sql stable set search_path = '' as $$
    select n.* from public.notifications n
    where n.notify_id > p_after
      and (p_user_id is null or n.user_id = case when p_user_id like '%@%' and p_user_id not like 'group:%'
                                                 then lower(p_user_id) else p_user_id end)
    order by n.notify_id limit least(p_limit, 1000)
$$;


-- == 11. Reading =====================================================================================================
-- With the rights of the caller: row-level security shows each tenant its own. Pages are keyed by id: p_before goes
-- from new to old, p_after from old to new or by name. A filter that is null filters nothing. Where there are many
-- filters the query is made of those that are given, so that each gets the plan it deserves.

-- The newest version of each definition, by id; with p_id all versions of one, newest first.
drop function if exists public.find_definitions(text);
create or replace function public.find_definitions(
    p_id text default null, p_before int default null, p_after text default null, p_text text default null,
    p_limit int default null)
returns table (id text, version int, name text, deployed_by text, created_at timestamptz)
language plpgsql stable set search_path = '' as $$
#variable_conflict use_column
begin
    if p_id is not null then
        return query
        select d.id, d.version, d.name, d.deployed_by, d.created_at from public.process_def d
        where d.id = p_id and (p_before is null or d.version < p_before) order by d.version desc limit p_limit;
        return;
    end if;
    return query
    select distinct on (d.id) d.id, d.version, d.name, d.deployed_by, d.created_at from public.process_def d
    where (p_after is null or d.id > p_after)
      and (p_text is null or strpos(lower(d.id || ' ' || d.name), lower(p_text)) > 0)
    order by d.id, d.version desc limit p_limit;
end $$;

-- p_version null: the newest.
create or replace function public.get_definition(p_id text, p_version int default null) returns setof public.process_def
language sql stable set search_path = '' as $$
    select d.* from public.process_def d where d.id = p_id and (p_version is null or d.version = p_version)
    order by d.version desc limit 1
$$;

-- The newest version of each decision, by id; with p_id all versions of one, newest first.
drop function if exists public.find_decisions(text);
create or replace function public.find_decisions(
    p_id text default null, p_after text default null, p_limit int default null)
returns table (id text, version int, name text, deployed_by text, created_at timestamptz)
language sql stable set search_path = '' as $$
    select d.id, d.version, d.name, d.deployed_by, d.created_at from public.decision_def d
    where case when p_id is null then (p_after is null or d.id > p_after) and d.version = (
                   select max(n.version) from public.decision_def n where n.tenant_id = d.tenant_id and n.id = d.id)
               else d.id = p_id end
    order by d.id, d.version desc limit p_limit
$$;

-- p_version null: the newest.
create or replace function public.get_decision(p_id text, p_version int default null) returns setof public.decision_def
language sql stable set search_path = '' as $$
    select d.* from public.decision_def d where d.id = p_id and (p_version is null or d.version = p_version)
    order by d.version desc limit 1
$$;

create or replace function public.get_instance(p_proc_inst_id uuid) returns setof public.bpm_proc_inst
language sql stable set search_path = '' as $$
    select i.* from public.bpm_proc_inst i where i.id = p_proc_inst_id
$$;

-- p_variables: array of {path: [keys], value}; an instance must have each value at its path. No index knows the
-- variables (it would have to be written at every step), so the search looks at the newest 5000 of those that fit the
-- other filters. is_match false: the search ended there without a match, and goes on with this id as p_before.
drop function if exists public.find_instances(public.process_status, text, uuid, int);
create or replace function public.find_instances(
    p_status public.process_status default null, p_process_definition_id text default null, p_before uuid default null,
    p_limit int default 50, p_version int default null, p_initiator text default null,
    p_started_from timestamptz default null, p_started_before timestamptz default null, p_variables jsonb default null)
returns table (id uuid, process_definition_id text, process_definition_version int, initiator text,
               status public.process_status, error text, start_time timestamptz, end_time timestamptz,
               is_match boolean)
language plpgsql stable set search_path = '' as $$
#variable_conflict use_column
declare
    v_where text := concat_ws(' and ', 'true',
        case when p_status is not null then 'i.status = $1' end,
        case when p_process_definition_id is not null then 'i.process_definition_id = $2' end,
        case when p_before is not null then 'i.id < $3' end,
        case when p_version is not null then 'i.process_definition_version = $5' end,
        case when p_initiator is not null then 'lower(i.initiator) = lower($6)' end,
        case when p_started_from is not null then 'i.start_time >= $7' end,
        case when p_started_before is not null then 'i.start_time < $8' end);
    v_columns text := 'i.id, i.process_definition_id, i.process_definition_version, i.initiator, i.status, i.error, '
        'i.start_time, i.end_time';
    v_query text := 'select ' || v_columns || ', true from public.bpm_proc_inst i where ' || v_where
        || ' order by i.id desc limit least($4, 500)';
begin
    if p_variables is not null then
        v_query := 'with looked_at as materialized (select ' || v_columns || $q$,
                not exists (select from jsonb_array_elements($9) v where i.variables #> array(
                    select jsonb_array_elements_text(v -> 'path')) is distinct from v -> 'value') as fits
            from public.bpm_proc_inst i where $q$ || v_where || ' order by i.id desc limit 5000), '
            'matches as (select * from looked_at where fits order by id desc limit least($4, 500)), '
            'last_one as (select l.* from looked_at l where (select count(*) from looked_at) = 5000 '
            'and (select count(*) from matches) < least($4, 500) order by l.id limit 1) '
            'select * from matches union all select * from last_one where not fits order by id desc';
    end if;
    return query execute v_query using p_status, p_process_definition_id, p_before, p_limit, p_version, p_initiator,
        p_started_from, p_started_before, p_variables;
end $$;

-- Readers get no infinite time: of a task that is parked, available_at is null.
create or replace function public.get_task(p_task_id uuid) returns setof public.todolist
language sql stable set search_path = '' as $$
    select s.* from public.todolist t, lateral jsonb_populate_record(t,
        case when t.available_at = 'infinity' then '{"available_at": null}' else '{}' end::jsonb) s
    where t.task_id = p_task_id
$$;

-- p_person: the assignee, or a candidate by name.
drop function if exists public.find_tasks(uuid, public.task_status, text, uuid, int);
create or replace function public.find_tasks(
    p_proc_inst_id uuid default null, p_status public.task_status default null, p_person text default null,
    p_before uuid default null, p_limit int default 50, p_group text default null,
    p_process_definition_id text default null, p_activity_id text default null, p_queue text default null,
    p_priority int default null, p_due_before timestamptz default null)
returns setof public.todolist
language plpgsql stable set search_path = '' as $$
begin
    return query execute 'select s.* from (select t as task from public.todolist t where ' || concat_ws(' and ', 'true',
        case when p_proc_inst_id is not null then 't.proc_inst_id = $1' end,
        case when p_status is not null then 't.status = $2' end,
        case when p_person is not null then '(lower(t.assignee) = lower($3) or t.candidate_groups ? $3)' end,
        case when p_before is not null then 't.task_id < $4' end,
        case when p_group is not null then 't.candidate_groups ? $6' end,
        case when p_process_definition_id is not null then 't.process_definition_id = $7' end,
        case when p_activity_id is not null then 't.activity_id = $8' end,
        case when p_queue is not null then 't.agent_orch = $9' end,
        case when p_priority is not null then 't.priority = $10' end,
        case when p_due_before is not null then 't.due_at < $11' end)
        || ' order by t.task_id desc limit least($5, 500)) f, lateral jsonb_populate_record(f.task, case '
           'when (f.task).available_at = ''infinity'' then ''{"available_at": null}'' else ''{}'' end::jsonb) s '
           'order by s.task_id desc'
    using p_proc_inst_id, p_status, p_person, p_before, p_limit, p_group, p_process_definition_id, p_activity_id,
        p_queue, p_priority, p_due_before;
end $$;

-- What retries of tasks from scratch would pay again.
create or replace function public.cost_to_repeat(p_tasks jsonb)
returns table (model_calls bigint, tool_calls bigint, input_tokens bigint, output_tokens bigint, cost_usd numeric)
language sql stable set search_path = '' as $$
    select count(*) filter (where j.kind <> 'tool'), count(*) filter (where j.kind = 'tool'),
           coalesce(sum(j.input_tokens), 0), coalesce(sum(j.output_tokens), 0),
           case when bool_and(j.cost_usd is not null or j.kind = 'tool') is not false
                then coalesce(sum(j.cost_usd), 0) end
    from public.journal j
    where j.task_id in (select jsonb_array_elements_text(p_tasks)::uuid) and j.replayable
$$;

-- The steps of an instance in their order: what step_input has, and in between the tasks that are DONE, in the order of
-- the events that ended them, which are written under the lock of the instance. p_whole: with given and output. Types
-- of events are compared as text: at an upgrade their words are as new as this function, and cannot be read yet.
create or replace function public.find_steps(p_proc_inst_id uuid, p_whole boolean default false)
returns table (revision int, kind text, task_id uuid, engine_token text, activity_id text, name text, output jsonb,
               given jsonb, actor text, at timestamptz)
language sql stable set search_path = '' as $$
    with kept as (
        select s.revision, s.given ->> 'kind' as kind, s.given, row_number() over (order by s.revision) as place
        from public.step_input s where s.proc_inst_id = p_proc_inst_id
    ), started_by as (                                           -- an event that is told beside the start it made
        select min(e.event_id) as event_id from public.events e, kept k
        where k.revision = 1 and k.given ->> 'event' is not null
          and e.proc_inst_id = p_proc_inst_id and e.event_type::text = 'EVENT_RECEIVED'
    ), told as (                                                 -- the events of the steps in kept
        select e.actor, e."timestamp", row_number() over (order by e.event_id) as place
        from public.events e left join started_by f on true
        where e.proc_inst_id = p_proc_inst_id
          and (e.event_type::text in ('INSTANCE_STARTED', 'TOKEN_MOVED')
               or (e.event_type::text = 'INCIDENT_RETRIED' and e.data ? 'variables')
               or (e.event_type::text = 'EVENT_RECEIVED' and e.event_id is distinct from f.event_id))
    ), ended as (
        select e.task_id, max(e.event_id) as event_id from public.events e
        where e.proc_inst_id = p_proc_inst_id and e.event_type in ('TASK_COMPLETED', 'TASK_SUBMITTED')
        group by e.task_id
    ), done as (
        select t.task_id, t.engine_token, t.activity_id, t.name, case when p_whole then t.output end as output, e.actor,
               e."timestamp", row_number() over (order by e.event_id) as place
        from public.todolist t join ended d on d.task_id = t.task_id
        join public.events e on e.tenant_id = t.tenant_id and e.event_id = d.event_id
        where t.proc_inst_id = p_proc_inst_id and t.status = 'DONE'
    ), gaps as (
        select n as revision, row_number() over (order by n) as place
        from generate_series(1, (select count(*) from kept) + (select count(*) from done)) n
        where not exists (select from kept k where k.revision = n)
    )
    select k.revision, k.kind, null::uuid, k.given ->> 'token', coalesce(k.given ->> 'element', k.given ->> 'to',
           k.given ->> 'event'), null, null::jsonb, case when p_whole then k.given end, t.actor, t."timestamp"
    from kept k left join told t using (place)
    union all
    select g.revision::int, 'task', d.task_id, d.engine_token, d.activity_id, d.name, d.output, null, d.actor,
           d."timestamp"
    from done d join gaps g using (place)
    order by 1
$$;

-- Newest first by id, which is that of the task or event. Filters from p_version on are of the instance.
create or replace function public.find_incidents(
    p_incident_id uuid default null, p_kind text default null, p_process_definition_id text default null,
    p_activity_id text default null, p_queue text default null, p_proc_inst_id uuid default null,
    p_before uuid default null, p_limit int default 50, p_version int default null, p_initiator text default null,
    p_started_from timestamptz default null, p_started_before timestamptz default null)
returns table (incident_id uuid, kind text, proc_inst_id uuid, task_id uuid, process_definition_id text,
               activity_id text, name text, agent_orch text, attempt int, error text, error_class text, log_tail text,
               finished_at timestamptz)
language plpgsql stable set search_path = '' as $$
#variable_conflict use_column
begin
    return query execute 'select n.incident_id, n.kind, n.proc_inst_id, n.task_id, n.process_definition_id, '
        'n.activity_id, n.name, n.agent_orch, n.attempt, n.error, n.error_class, n.log_tail, n.finished_at '
        'from public.incidents n where ' || concat_ws(' and ', 'true',
        case when p_incident_id is not null then 'n.incident_id = $1' end,
        case when p_kind is not null then 'n.kind = $2' end,
        case when p_process_definition_id is not null then 'n.process_definition_id = $3' end,
        case when p_activity_id is not null then 'n.activity_id = $4' end,
        case when p_queue is not null then 'n.agent_orch = $5' end,
        case when p_proc_inst_id is not null then 'n.proc_inst_id = $6' end,
        case when p_before is not null then 'n.incident_id < $7' end,
        case when num_nonnulls(p_version, p_initiator, p_started_from, p_started_before) > 0 then
            'exists (select from public.bpm_proc_inst i where i.tenant_id = n.tenant_id and i.id = n.proc_inst_id and '
            || concat_ws(' and ', 'true',
                case when p_version is not null then 'i.process_definition_version = $9' end,
                case when p_initiator is not null then 'lower(i.initiator) = lower($10)' end,
                case when p_started_from is not null then 'i.start_time >= $11' end,
                case when p_started_before is not null then 'i.start_time < $12' end) || ')' end)
        || ' order by n.incident_id desc limit least($8, 500)'
    using p_incident_id, p_kind, p_process_definition_id, p_activity_id, p_queue, p_proc_inst_id, p_before, p_limit,
        p_version, p_initiator, p_started_from, p_started_before;
end $$;

-- What waits for the caller, or for p_person in p_groups: theirs first and what they may claim after it, each by
-- priority, due time and age. p_after: the last task of the page before.
create or replace function public.find_inbox(
    p_person text default null, p_groups jsonb default null, p_claimed boolean default null, p_after uuid default null,
    p_limit int default 50)
returns setof public.todolist
language plpgsql stable security definer set search_path = '' as $$
declare
    v_tenant text := kernel.require_tenant();
    v_person text := coalesce(p_person, kernel.worker());
    v_groups text[] := array(select jsonb_array_elements_text(coalesce(
        p_groups, case when p_person is null then kernel.claims() -> 'groups' end, '[]')));
    v_last public.todolist;
begin
    select t.* into v_last from public.todolist t where t.tenant_id = v_tenant and t.task_id = p_after;
    return query
    select t.* from public.todolist t
    where t.tenant_id = v_tenant and t.status = 'TODO'
      and case when t.assignee is not null then lower(t.assignee) = lower(v_person) and p_claimed is not false
               else p_claimed is not true and (t.candidate_groups = '[]' or t.candidate_groups ? v_person
                                               or t.candidate_groups ?| v_groups) end
      and (v_last.task_id is null or (t.assignee is null, -t.priority, coalesce(t.due_at, 'infinity'), t.task_id)
           > (v_last.assignee is null, -v_last.priority, coalesce(v_last.due_at, 'infinity'), v_last.task_id))
    order by t.assignee is null, -t.priority, coalesce(t.due_at, 'infinity'), t.task_id
    limit least(p_limit, 500);
end $$;

-- In order of writing, from after p_after on.
drop function if exists public.find_events(uuid, bigint, int);
create or replace function public.find_events(
    p_proc_inst_id uuid default null, p_after bigint default 0, p_limit int default 200, p_task_id uuid default null,
    p_event_type public.event_type default null, p_actor text default null, p_upto bigint default null)
returns setof public.events
language plpgsql stable set search_path = '' as $$
begin
    return query execute 'select e.* from public.events e where ' || concat_ws(' and ', 'e.event_id > $2',
        case when p_proc_inst_id is not null then 'e.proc_inst_id = $1' end,
        case when p_task_id is not null then 'e.task_id = $4' end,
        case when p_event_type is not null then 'e.event_type = $5' end,
        case when p_actor is not null then 'e.actor = $6' end,
        case when p_upto is not null then 'e.event_id <= $7' end)
        || ' order by e.event_id limit least($3, 1000)'
    using p_proc_inst_id, p_after, p_limit, p_task_id, p_event_type, p_actor, p_upto;
end $$;

-- Questions of tasks that are not over. p_mine: only those that the caller may answer without the scope operate.
create or replace function public.find_questions(
    p_question_id uuid default null, p_task_id uuid default null, p_mine boolean default false,
    p_after uuid default null, p_limit int default 50)
returns setof public.task_question
language sql stable security definer set search_path = '' as $$
    select q.* from public.task_question q
    where q.tenant_id = kernel.require_tenant() and q.kind <> 'timer'
      and (p_question_id is null or q.question_id = p_question_id) and (p_task_id is null or q.task_id = p_task_id)
      and (p_question_id is not null or p_task_id is not null or q.status = 'open')
      and (not p_mine or kernel.is_for_caller(q.assignee, q.candidate_groups))
      and (p_question_id is not null or exists (
          select from public.todolist t where t.tenant_id = q.tenant_id and t.task_id = q.task_id
          and t.status in ('WAITING', 'IN_PROGRESS', 'PENDING')))
      and (p_after is null or q.question_id > p_after)
    order by q.question_id limit least(p_limit, 500)
$$;

-- Puts a skeleton of the journal together again (kernel/packing.py takes them apart).
create or replace function kernel.unpacked(p_tenant_id text, p_body jsonb, p_parts jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    v_whole jsonb := p_body;
    v_part jsonb;
begin
    for v_part in select p from jsonb_array_elements(case jsonb_typeof(p_parts) when 'array' then p_parts else '[]' end) p
    loop
        v_whole := jsonb_set(v_whole, array(select jsonb_array_elements_text(v_part -> 'at')), coalesce(
            case when v_part ? 'list' then kernel.unpacked_list(p_tenant_id, decode(v_part ->> 'list', 'hex'))
                 else kernel.unpacked_blob(p_tenant_id, decode(v_part ->> 'blob', 'hex')) end,
            '"(no longer stored)"'));
    end loop;
    return v_whole;
end $$;

create or replace function kernel.unpacked_blob(p_tenant_id text, p_hash bytea) returns jsonb
language sql stable set search_path = '' as $$
    select kernel.unpacked(p_tenant_id, b.body, b.parts) from public.journal_blob b
    where b.tenant_id = p_tenant_id and b.hash = p_hash
$$;

create or replace function kernel.unpacked_list(p_tenant_id text, p_hash bytea) returns jsonb
language sql stable set search_path = '' as $$
    with recursive node as (
        select l.before, l.blob, 1 as place from public.journal_list l
        where l.tenant_id = p_tenant_id and l.hash = p_hash
        union all
        select l.before, l.blob, n.place + 1 from node n
        join public.journal_list l on l.tenant_id = p_tenant_id and l.hash = n.before
    )
    select jsonb_agg(kernel.unpacked_blob(p_tenant_id, n.blob) order by n.place desc) from node n
$$;

create or replace function kernel.whole_call(p_call public.journal) returns public.journal
language plpgsql stable set search_path = '' as $$
begin
    p_call.request := kernel.unpacked(p_call.tenant_id, p_call.request, p_call.request_parts);
    p_call.response := kernel.unpacked(p_call.tenant_id, p_call.response, p_call.response_parts);
    return p_call;
end $$;

drop function if exists public.find_calls(uuid, uuid, int);
create or replace function public.find_calls(
    p_proc_inst_id uuid default null, p_task_id uuid default null, p_limit int default 200, p_after bigint default 0,
    p_kind public.call_kind default null, p_name text default null, p_outcome text default null)
returns setof public.journal
language plpgsql stable set search_path = '' as $$
begin
    return query execute 'select w.* from (select j.* from public.journal j where ' || concat_ws(' and ', 'j.call_id > $4',
        case when p_proc_inst_id is not null then 'j.proc_inst_id = $1' end,
        case when p_task_id is not null then 'j.task_id = $2' end,
        case when p_kind is not null then 'j.kind = $5' end,
        case when p_name is not null then 'j.name = $6' end,
        case when p_outcome is not null then 'j.outcome = $7' end)
        || ' order by j.call_id limit least($3, 1000)) j, lateral kernel.whole_call(j) w order by w.call_id'
    using p_proc_inst_id, p_task_id, p_limit, p_after, p_kind, p_name, p_outcome;
end $$;

-- Following events. Numbers are given when events are written, and events are seen when they are committed: a lower one
-- may come later. So a follower reads up to a horizon only, behind which no more can come. Whoever writes events holds
-- the lock RowExclusiveLock on the table from before a number is given until the commit can be seen. Of the followers'
-- process, two looks at event_marks therefore tell: when all who held the lock in the first look have let it go, every
-- event up to the last_id of that look is there, or never will be. An open transaction that wrote no event delays
-- nothing.

-- p_seconds: for how long the database is to tell the channel fleet_events of new events.
create or replace function public.want_events(p_seconds int) returns table (until_ms bigint)
language plpgsql volatile security definer set search_path = '' as $$
begin
    return query select setval('kernel.events_wanted_ms', (extract(epoch from clock_timestamp())::bigint + p_seconds) * 1000);
end $$;

create or replace function kernel.announce_events() returns trigger
language plpgsql volatile as $$
begin
    if coalesce(pg_sequence_last_value('kernel.events_wanted_ms'), 0) >= date_part('epoch', clock_timestamp()) * 1000 then
        perform kernel.wake_listeners('fleet_events', 'kernel.last_event_ms');
    end if;
    return null;
end $$;

create or replace trigger events_are_announced after insert on public.events
    for each statement execute function kernel.announce_events();

-- The last number that was given, and who, after that, may still be about to commit an event.
create or replace function public.event_marks() returns table (last_id bigint, writers jsonb)
language plpgsql volatile security definer set search_path = '' as $$
begin
    last_id := coalesce(pg_sequence_last_value('public.events_event_id_seq'), 0);
    select coalesce(jsonb_agg(l.virtualtransaction || ' ' || coalesce(l.pid, 0)), '[]') into writers
    from pg_catalog.pg_locks l
    where l.locktype = 'relation' and l.relation = 'public.events'::regclass and l.mode = 'RowExclusiveLock'
      and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database());
    return next;
end $$;

-- For all followers of a process at once: the events of p_tenants after p_after up to p_upto, oldest first.
create or replace function public.events_between(p_tenants jsonb, p_after bigint, p_upto bigint, p_limit int)
returns setof public.events
language sql stable security definer set search_path = '' as $$
    select e.* from jsonb_array_elements_text(p_tenants) t(id)
    cross join lateral (
        select o.* from public.events o where o.tenant_id = t.id and o.event_id > p_after and o.event_id <= p_upto
        order by o.event_id limit p_limit) e
    order by e.event_id limit p_limit
$$;

-- What an instance's model and tool calls came to. cost_usd is null when the price of any model is not known.
create or replace function public.instance_cost(p_proc_inst_id uuid)
returns table (model_calls bigint, tool_calls bigint, input_tokens bigint, output_tokens bigint, cost_usd numeric)
language sql stable set search_path = '' as $$
    select count(*) filter (where j.kind <> 'tool'), count(*) filter (where j.kind = 'tool'),
           coalesce(sum(j.input_tokens), 0), coalesce(sum(j.output_tokens), 0),
           case when bool_and(j.cost_usd is not null) is not false then coalesce(sum(j.cost_usd), 0) end
    from public.journal j where j.proc_inst_id = p_proc_inst_id
$$;

drop function if exists public.find_documents(uuid, int);

-- p_title: part of the title, whatever the case; p_source: how the source begins.
create or replace function public.find_documents(
    p_title text default null, p_source text default null, p_media_type text default null,
    p_proc_inst_id uuid default null, p_before uuid default null, p_limit int default 50)
returns table (doc_id uuid, title text, source text, media_type text, characters int, proc_inst_id uuid,
               created_by text, created_at timestamptz)
language sql stable set search_path = '' as $$
    select d.doc_id, d.title, d.source, d.media_type, length(d.content), d.proc_inst_id, d.created_by, d.created_at
    from public.documents d
    where (p_before is null or d.doc_id < p_before)
      and (p_title is null or position(lower(p_title) in lower(d.title)) > 0)
      and (p_source is null or starts_with(d.source, p_source))
      and (p_media_type is null or d.media_type = p_media_type)
      and (p_proc_inst_id is null or d.proc_inst_id = p_proc_inst_id)
    order by d.doc_id desc limit least(p_limit, 500)
$$;

create or replace function public.get_document(p_doc_id uuid) returns setof public.documents
language sql stable set search_path = '' as $$
    select d.* from public.documents d where d.doc_id = p_doc_id
$$;

drop function if exists public.find_agents();
create or replace function public.find_agents(p_after text default null, p_limit int default null)
returns setof public.agent_profile
language sql stable set search_path = '' as $$
    select a.* from public.agent_profile a where p_after is null or a.agent_id > p_after order by a.agent_id
    limit p_limit
$$;

drop function if exists public.find_orchestrators();
create or replace function public.find_orchestrators(p_after text default null, p_limit int default null)
returns setof public.agent_orch
language sql stable set search_path = '' as $$
    select o.* from public.agent_orch o where p_after is null or o.id > p_after order by o.id limit p_limit
$$;

-- The columns that the functions of this schema give, with the names of their types: JSON does not tell a time from a
-- text, so whoever calls through PostgREST asks once.
create or replace function public.describe_functions() returns table (name text, columns jsonb)
language sql stable set search_path = '' as $$
    select p.proname, jsonb_object_agg(c.name, c.type)
    from pg_catalog.pg_proc p, lateral (
        select a.attname as name, a.atttypid::regtype::text as type
        from pg_catalog.pg_type t join pg_catalog.pg_attribute a on a.attrelid = t.typrelid
        where t.oid = p.prorettype and a.attnum > 0 and not a.attisdropped
        union all
        select n.name, n.type::regtype::text
        from unnest(p.proargnames, p.proallargtypes, p.proargmodes) n(name, type, mode) where n.mode = 't') c
    where p.pronamespace = 'public'::regnamespace and has_function_privilege(p.oid, 'execute')
    group by p.oid, p.proname order by p.proname
$$;

-- What the caller's tenant may use, and has spent in the day and month at hand.
create or replace function public.get_budget() returns table (limits jsonb, budget jsonb, spent jsonb)
language sql stable security definer set search_path = '' as $$
    select t.limits, t.budget, kernel.spent(t.tenant_id, n.now)
    from public.tenants t, (select kernel.now() as now) n where t.tenant_id = kernel.require_tenant()
$$;

-- == 12. Dashboards ==================================================================================================

-- One row per queue, over all tenants: numbers only. Counts stop at 1000, because counting a million rows for a
-- gauge costs more than the claims it watches; the age is the oldest among those rows.
create or replace function public.queue_depths()
returns table (queue text, pending_tasks bigint, in_progress_tasks bigint, oldest_pending_seconds double precision)
language sql stable security definer set search_path = '' set enable_seqscan = off as $$
    select o.id, p.tasks, r.tasks, coalesce(extract(epoch from kernel.now() - p.oldest), 0)::double precision
    from public.agent_orch o,
    lateral (select count(*) as tasks, min(h.created_at) as oldest from (
        select t.created_at from public.todolist t
        where t.status = 'PENDING' and t.available_at is null and t.agent_orch = o.id limit 1000) h) p,
    lateral (select count(*) as tasks from (
        select from public.todolist t where t.status = 'IN_PROGRESS' and t.agent_orch = o.id limit 1000) h) r
    order by o.id
$$;

-- Pods that lived within the last day.
drop function if exists public.find_pods();
create or replace function public.find_pods(
    p_status public.pod_status default null, p_after uuid default null, p_limit int default null)
returns setof public.pod
language sql stable security definer set search_path = '' as $$
    select p.* from public.pod p
    where p.heartbeat_at > kernel.now() - interval '1 day' and (p_status is null or p.status = p_status)
      and (p_after is null or p.pod_id > p_after)
    order by p.pod_id limit p_limit
$$;

-- Whatever stands still until somebody repairs it. kind: task (it FAILED), cancelled_task (it was cancelled without its
-- instance, which cannot go on), event (an instance could not take it), start (it could not start an instance).
create or replace view public.incidents with (security_invoker = true) as
    select t.tenant_id, t.task_id, t.proc_inst_id, t.process_definition_id, t.activity_id, t.agent_orch, t.attempt,
           t.error, t.log_tail, t.finished_at, t.error_class, t.failed_attempts, t.task_id as incident_id,
           'task' as kind, t.name
    from public.todolist t where t.status = 'FAILED'
    union all
    select t.tenant_id, t.task_id, t.proc_inst_id, t.process_definition_id, t.activity_id, t.agent_orch, t.attempt,
           t.error, t.log_tail, t.finished_at, t.error_class, t.failed_attempts, t.task_id, 'cancelled_task', t.name
    from public.bpm_proc_inst i cross join lateral (
        select c.* from public.todolist c
        where c.tenant_id = i.tenant_id and c.proc_inst_id = i.id and c.cancelled_by is not null offset 0) t
    where i.status = 'ERROR'
    union all
    select a.tenant_id, null, a.proc_inst_id, a.process_definition_id, a.element_id, null, null, a.error, null,
           a.failed_at, null, '[]', a.arrival_id, case when a.proc_inst_id is null then 'start' else 'event' end,
           coalesce(a.name, a.element_id)
    from public.event_arrival a where a.error is not null;

create or replace view public.instance_overview with (security_invoker = true) as
    select i.tenant_id, i.process_definition_id, i.process_definition_version, i.status, count(*) as instances,
           avg(extract(epoch from i.end_time - i.start_time)) as average_seconds
    from public.bpm_proc_inst i group by 1, 2, 3, 4;

create or replace view public.model_spend with (security_invoker = true) as
    select j.tenant_id, j.name as model, date_trunc('day', j."timestamp") as day, count(*) as calls,
           sum(j.input_tokens) as input_tokens, sum(j.output_tokens) as output_tokens, sum(j.cost_usd) as cost_usd
    from public.journal j where j.kind <> 'tool' group by 1, 2, 3;

-- == 13. Policies and grants =========================================================================================
-- Every table: row-level security forced; a caller reads the rows of the tenant in its claims and writes nothing but
-- through the functions above. Their owner, the role that applied this file, is let through by a policy of its own,
-- so that it needs no right to bypass row-level security.

do $$
declare
    v_table text;
    v_tenant_tables text[] := array['tenants', 'process_def', 'decision_def', 'bpm_proc_inst', 'todolist', 'events',
        'journal', 'journal_blob', 'journal_list', 'task_question', 'notifications', 'documents', 'document_chunk',
        'agent_profile', 'event_wait', 'event_arrival', 'step_input', 'kill_switch'];
    v_kernel_tables text[] := array['api_key', 'idempotency_key', 'pod', 'notification_preference', 'device_token',
        'webhook_endpoint', 'outbox', 'task_reminder', 'mcp_server', 'task_limit', 'tenant_spend', 'budget_warning'];
begin
    foreach v_table in array v_tenant_tables || v_kernel_tables || array['agent_orch'] loop
        execute format('alter table public.%I enable row level security', v_table);
        execute format('alter table public.%I force row level security', v_table);
        execute format('revoke all on public.%I from public, anon, authenticated, fleet_api, fleet_pod, fleet_deliver', v_table);
        execute format('drop policy if exists kernel_functions on public.%I', v_table);
        execute format('create policy kernel_functions on public.%I to %I using (true) with check (true)', v_table,
                       (select pg_get_userbyid(c.relowner) from pg_catalog.pg_class c
                        where c.oid = format('public.%I', v_table)::regclass));
    end loop;
    foreach v_table in array v_tenant_tables loop
        execute format('drop policy if exists own_tenant on public.%I', v_table);
        execute format('create policy own_tenant on public.%I for select to authenticated, fleet_api, fleet_pod '
                       'using (tenant_id = (select kernel.tenant_id()))', v_table);
        execute format('grant select on public.%I to authenticated, fleet_api, fleet_pod', v_table);
    end loop;
    revoke all on public.mcp_server from service_role;   -- credentials of others
    drop policy if exists everybody on public.agent_orch;
    create policy everybody on public.agent_orch for select to authenticated, fleet_api, fleet_pod using (true);
    grant select on public.agent_orch to authenticated, fleet_api, fleet_pod;
    revoke all on public.incidents, public.instance_overview, public.model_spend
        from public, anon, authenticated, fleet_api, fleet_pod;
    revoke all on sequence public.events_event_id_seq, public.journal_call_id_seq, public.notifications_notify_id_seq,
        public.outbox_outbox_id_seq from public, anon, authenticated, fleet_api, fleet_pod;
    grant select on public.incidents, public.instance_overview, public.model_spend to authenticated, fleet_api;
    revoke all on schema kernel from public;
    grant usage on schema kernel to authenticated, fleet_api, fleet_pod;
    grant usage on schema public, extensions to authenticated, fleet_api, fleet_pod;
    grant usage on schema public to fleet_deliver;
    revoke execute on all functions in schema kernel from public;
    grant execute on function kernel.claims(), kernel.tenant_id() to authenticated, fleet_api, fleet_pod;
    grant execute on function kernel.whole_call(public.journal), kernel.unpacked(text, jsonb, jsonb),
        kernel.unpacked_blob(text, bytea), kernel.unpacked_list(text, bytea) to authenticated, fleet_api;
end $$;

do $$
declare
    v_grant record;
begin
    for v_grant in
        select p.oid::regprocedure as signature, g.roles
        from (values
            ('create_tenant', ''), ('set_tenant_share', ''), ('set_tenant_retries', ''), ('set_tenant_limits', ''),
            ('create_api_key', ''),
            ('register_pod', 'fleet_pod, service_role'), ('heartbeat_pod', 'fleet_pod, service_role'),
            ('next_task', 'fleet_pod, service_role'), ('renew_lease', 'fleet_pod, service_role'),
            ('record_call', 'fleet_pod, service_role'), ('journalled_calls', 'fleet_pod, service_role'),
            ('replay_calls', 'fleet_pod, service_role'), ('replay_call', 'fleet_pod, service_role'),
            ('ask_question', 'fleet_pod, service_role'), ('await_answer', 'fleet_pod, service_role'), ('suspend_task', 'fleet_pod, service_role'),
            ('answer_question', 'fleet_api, service_role'), ('find_questions', 'fleet_api, service_role'),
            ('report_progress', 'fleet_pod, service_role'),
            ('save_task_document', 'fleet_pod, service_role'), ('task_mcp_servers', 'fleet_pod'),
            ('task_limits', 'fleet_pod, service_role'),
            ('journal_call', 'fleet_pod, service_role'), ('warn_of_limit', 'fleet_pod, service_role'),
            ('extend_task', 'fleet_api, service_role'), ('get_budget', 'fleet_api, service_role'),
            ('authenticate_api_key', 'fleet_api, service_role'), ('note_api_key_use', 'fleet_api, service_role'),
            ('find_api_keys', 'fleet_api, service_role'), ('make_api_key', 'fleet_api, service_role'),
            ('rotate_api_key', 'fleet_api, service_role'), ('revoke_api_key', 'fleet_api, service_role'),
            ('claim_task', 'fleet_api, service_role'), ('release_task', 'fleet_api, service_role'),
            ('delegate_task', 'fleet_api, service_role'), ('reassign_task', 'fleet_api, service_role'),
            ('change_task', 'fleet_api, service_role'), ('retry_task', 'fleet_api, service_role'),
            ('retry_instance', 'fleet_api, service_role'), ('retry_incident', 'fleet_api, service_role'),
            ('move_token', 'fleet_api, service_role'), ('fork_instance', 'fleet_api, service_role'),
            ('find_steps', 'authenticated, fleet_api'), ('cost_to_repeat', 'authenticated, fleet_api'),
            ('discard_incident', 'fleet_api, service_role'), ('find_incidents', 'authenticated, fleet_api'),
            ('deploy_definition', 'fleet_api, service_role'), ('start_instance', 'fleet_api, service_role'), ('submit_task', 'fleet_api, service_role'),
            ('cancel_instance', 'fleet_api, service_role'), ('cancel_task', 'fleet_api, service_role'),
            ('find_open_work', 'fleet_api, service_role'), ('find_effects', 'authenticated, fleet_api'),
            ('set_kill_switch', 'fleet_api, service_role'), ('enforce_kill_switch', 'fleet_api, service_role'),
            ('release_kill_switch', 'fleet_api, service_role'), ('resume_work', 'fleet_api, service_role'),
            ('drill_kill_switch', 'fleet_api, service_role'), ('find_kill_switches', 'fleet_api, service_role'),
            ('enqueue_tasks', 'fleet_api, service_role'),
            ('save_agent', 'fleet_api, service_role'), ('save_documents', 'fleet_api, service_role'),
            ('put_mcp_server', 'fleet_api, service_role'), ('find_mcp_servers', 'fleet_api, service_role'),
            ('switch_mcp_server', 'fleet_api, service_role'), ('delete_mcp_server', 'fleet_api, service_role'),
            ('save_document', 'fleet_api, service_role'),
            ('delete_document', 'fleet_api, service_role'),
            ('publish_message', 'fleet_api, service_role'), ('publish_signal', 'fleet_api, service_role'),
            ('take_arrivals', 'fleet_api, fleet_pod, service_role'),
            ('settle_arrival', 'fleet_api, fleet_pod, service_role'),
            ('queue_depths', 'fleet_api, fleet_pod, service_role'), ('find_pods', 'fleet_api, service_role'),
            ('search_documents', 'authenticated, fleet_api, fleet_pod'),
            ('deploy_decisions', 'fleet_api, service_role'), ('find_decisions', 'authenticated, fleet_api'),
            ('get_decision', 'authenticated, fleet_api, fleet_pod'),
            ('find_definitions', 'authenticated, fleet_api'),
            ('get_definition', 'authenticated, fleet_api, fleet_pod'),
            ('get_instance', 'authenticated, fleet_api, fleet_pod'), ('find_instances', 'authenticated, fleet_api'),
            ('get_task', 'authenticated, fleet_api'), ('find_tasks', 'authenticated, fleet_api'),
            ('find_events', 'authenticated, fleet_api'), ('find_calls', 'authenticated, fleet_api'),
            ('find_inbox', 'fleet_api, service_role'), ('want_events', 'fleet_api, service_role'),
            ('event_marks', 'fleet_api, service_role'), ('events_between', 'fleet_api, service_role'),
            ('instance_cost', 'authenticated, fleet_api'), ('find_documents', 'authenticated, fleet_api'),
            ('get_document', 'authenticated, fleet_api, fleet_pod'), ('find_agents', 'authenticated, fleet_api'),
            ('find_orchestrators', 'authenticated, fleet_api'),
            ('describe_functions', 'fleet_api, fleet_pod, fleet_deliver'),
            ('find_notifications', 'authenticated, fleet_api'), ('follow_notifications', 'authenticated, fleet_api'),
            ('mark_notification', 'fleet_api, service_role'), ('mark_notifications', 'fleet_api, service_role'),
            ('get_preferences', 'fleet_api, service_role'), ('save_preferences', 'fleet_api, service_role'),
            ('save_device', 'fleet_api, service_role'), ('find_devices', 'fleet_api, service_role'),
            ('delete_device', 'fleet_api, service_role'), ('create_webhook', 'fleet_api, service_role'),
            ('save_webhook', 'fleet_api, service_role'), ('find_webhooks', 'fleet_api, service_role'),
            ('rotate_webhook_secret', 'fleet_api, service_role'),
            ('delete_webhook', 'fleet_api, service_role'), ('find_deliveries', 'fleet_api, service_role'),
            ('retry_delivery', 'fleet_api, service_role'), ('claim_deliveries', 'fleet_deliver, service_role'),
            ('finish_delivery', 'fleet_deliver, service_role'), ('tend_outbox', 'fleet_deliver, service_role'),
            ('remind_people', 'fleet_deliver, service_role'),
            ('outbox_depths', 'fleet_deliver, service_role')
        ) as g(name, roles)
        join pg_catalog.pg_proc p on p.proname = g.name and p.pronamespace = 'public'::regnamespace
    loop
        execute format('revoke all on function %s from public, anon, authenticated, fleet_api, fleet_pod, fleet_deliver, '
                       'service_role', v_grant.signature);
        if v_grant.roles <> '' then
            execute format('grant execute on function %s to %s', v_grant.signature, v_grant.roles);
        end if;
    end loop;
end $$;

-- == 14. Supabase ====================================================================================================
-- What only a Supabase project has: PostgREST with its login authenticator, and the publication of Realtime. Elsewhere
-- this chapter does nothing. What the owner of the database may not do here is a warning that says who can.

do $$
declare
    v_hook text;
begin
    if not exists (select from pg_catalog.pg_roles where rolname = 'authenticator') then
        return;
    end if;
    grant usage on schema kernel to anon, service_role;
    grant execute on function kernel.become_program() to anon, authenticated, service_role;
    if exists (select from unnest(array['fleet_api', 'fleet_pod', 'fleet_deliver']) r
               where not pg_has_role('authenticator', r, 'member')) then
        grant fleet_api, fleet_pod, fleet_deliver to authenticator;
    end if;
    select substr(c.setting, length('pgrst.db_pre_request=') + 1) into v_hook
    from pg_catalog.pg_db_role_setting s, unnest(s.setconfig) c(setting)
    where s.setrole = 'authenticator'::regrole and c.setting like 'pgrst.db\_pre\_request=%'
      and s.setdatabase in (0, (select d.oid from pg_catalog.pg_database d where d.datname = current_database()))
    order by s.setdatabase desc limit 1;
    if v_hook is null then
        execute format('alter role authenticator in database %I set pgrst.db_pre_request = %L', current_database(),
                       'kernel.become_program');
        notify pgrst, 'reload config';
    elsif v_hook <> 'kernel.become_program' then
        raise warning 'PostgREST calls % before each request: let it perform kernel.become_program(), so that '
                      'programs can run with FLEET_VIA=supabase.', v_hook;
    end if;
    notify pgrst, 'reload schema';
exception when insufficient_privilege then
    raise warning '%: ask an administrator to grant fleet_api, fleet_pod and fleet_deliver to authenticator and to set '
                  'pgrst.db_pre_request to kernel.become_program, or let programs connect to PostgreSQL.', sqlerrm;
end $$;

-- What people look at while it changes. Row-level security holds for those who listen.
do $$
declare
    v_table text;
begin
    foreach v_table in array array['todolist', 'events', 'notifications'] loop
        if exists (select from pg_catalog.pg_publication where pubname = 'supabase_realtime' and not puballtables)
           and not exists (select from pg_catalog.pg_publication_tables
                           where pubname = 'supabase_realtime' and schemaname = 'public' and tablename = v_table)
        then
            execute format('alter publication supabase_realtime add table public.%I', v_table);
        end if;
    end loop;
exception when insufficient_privilege then
    raise warning '%: ask the owner of publication supabase_realtime to add todolist, events and notifications.', sqlerrm;
end $$;
