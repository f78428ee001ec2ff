-- The instance's counters and its places in the shard's index and list. Every transition opens it, changes it, and saves it.

-- What is due here is held back until the instance is resumed. (ms; far beyond any clock)
local HELD = 9e15
-- DUE holds the instance's own time limit under this name, beside its nodes; -1 is the trigger.
local TIME_LIMIT = '-2'

-- The newest schema that this code knows (keys.SCHEMA). An instance's own is the oldest code that may touch it: 2 since it
-- may be paused, run again, end early, call a webhook, or ignore failures; 1 where none of this is asked for.
local SCHEMA = 2

local function is_newer(schema)
  return tonumber(schema or 1) > SCHEMA
end

-- Raises NEWER. Then nothing was read, changed or dropped: the instance waits for the code that knows it.
local function check(schema)
  if is_newer(schema) then error({ err = 'NEWER ' .. schema }) end
end

-- Returns the instance, or nil and why not: GONE (no such instance) or CLOSED (it is terminal). Raises NEWER.
-- first: the attempt that a node of this epoch begins with. listed: the status that the list has it under.
-- calls, messages: transitions and claims so far, this one included; what the instance has cost is counted by them.
local function open()
  local v = redis.call('HMGET', META, 'status', 'total', 'running', 'completed', 'failed', 'skipped', 'retention_ms',
    'ignored', 'first', 'paused', 'calls', 'messages',
    'schema', 'webhook')
  if not v[1] then return nil, 'GONE' end
  check(v[13])
  if v[1] ~= 'PENDING' and v[1] ~= 'RUNNING' then return nil, 'CLOSED' end
  return {
    status = v[1], total = tonumber(v[2]), running = tonumber(v[3]), completed = tonumber(v[4]),
    failed = tonumber(v[5]), skipped = tonumber(v[6]), retention = tonumber(v[7]),
    ignored = tonumber(v[8] or 0), first = tonumber(v[9] or 1), paused = v[10] == '1', listed = v[1],
    calls = tonumber(v[11] or 0) + 1, messages = tonumber(v[12] or 0), webhook = v[14],
  }
end

-- The index holds each instance by the earliest moment at which somebody must look at it: a live one at one of its nodes,
-- a terminal one at what it owes, or at nothing but that it is gone.
local function reindex(id)
  local first = redis.call('ZRANGE', DUE, 0, 0, 'WITHSCORES')
  if first[2] then redis.call('ZADD', INDEX, first[2], id) end
end

-- The list holds all instances by status and id, which begins with its time: PENDING, RUNNING, COMPLETED, FAILED,
-- CANCELLED as P, R, C, F, X.
local LETTER = { PENDING = 'P', RUNNING = 'R', COMPLETED = 'C', FAILED = 'F', CANCELLED = 'X' }

local function enlist(id, instance)
  if instance.listed then redis.call('ZREM', LIST, LETTER[instance.listed] .. id) end
  redis.call('ZADD', LIST, 0, LETTER[instance.status] .. id)
end

-- A terminal instance wakes who waits for it, gets its time to live, and stays in the index until that is over.
local function close(id, instance, now)
  redis.call('HSET', META, 'status', instance.status, 'finished_at', now)
  enlist(id, instance)
  if instance.webhook then redis.call('HSET', META, 'owes', 1) end
  redis.call('ZADD', INDEX, instance.webhook and now or now + instance.retention + 1000, id)
  redis.call('DEL', DUE, WAITS)
  redis.call('RPUSH', DONE, instance.status)
  for _, key in ipairs({ META, NODES, RESULTS, ERRORS, DONE }) do
    redis.call('PEXPIRE', key, instance.retention)
  end
end

-- From now on, where the workflow says how long an instance may take.
local function set_time_limit(now, limit)
  if limit then redis.call('ZADD', DUE, now + limit, TIME_LIMIT) end
end

-- What the index says of an instance that is not live. Returns OWES, CLOSED or GONE.
local function look_at_ended(id, why, now, resend_ms)
  if why == 'GONE' then
    redis.call('ZREM', INDEX, id)
    redis.call('DEL', HISTORY, ARCHIVE)
    for _, letter in pairs(LETTER) do redis.call('ZREM', LIST, letter .. id) end
    return why
  end
  local owes, finished, retention = unpack(redis.call('HMGET', META, 'owes', 'finished_at', 'retention_ms'))
  redis.call('ZADD', INDEX, owes and now + resend_ms or finished + retention + 1000, id)
  return owes and 'OWES' or why
end

-- Edge k: ends it at once, whatever its nodes do. Those that were not terminal read as CANCELLED from here on: their
-- records are left as they are, so that this takes the same time for 10 nodes as for 10,000.
local function cut(id, instance, status, now, error)
  local finished = instance.completed + instance.failed + instance.skipped
  instance.status = status
  redis.call('HSET', META, 'running', 0, 'completed', instance.completed, 'failed', instance.failed,
    'skipped', instance.skipped, 'cancelled', instance.total - finished)
  if error then redis.call('HSET', META, 'error', error) end
  note(now, { event = status == 'CANCELLED' and 'cancelled' or 'cut off', reason = error and in_short(error) })
  close(id, instance, now)
end

local function save(id, instance, now)
  local finished = instance.completed + instance.failed + instance.skipped == instance.total
  if not finished and instance.give_up then return cut(id, instance, 'FAILED', now) end
  if finished then instance.status = instance.failed > instance.ignored and 'FAILED' or 'COMPLETED' end
  redis.call('HSET', META, 'status', instance.status, 'running', instance.running, 'completed', instance.completed,
    'failed', instance.failed, 'skipped', instance.skipped, 'calls', instance.calls, 'messages', instance.messages)
  if finished then
    close(id, instance, now)
  else
    if instance.status ~= instance.listed then enlist(id, instance) end
    reindex(id)
  end
end
