-- The instance's counters, and its places in the shard's index and list. Every transition opens, changes and saves it.

-- A node that is due at this time (in ms, far beyond any clock) is held back until the instance is resumed.
local HELD = 9e15
-- The newest schema that this code knows (keys.SCHEMA). An instance's own is the oldest code that may touch it: 3 if
-- its workflow has ids that are not plain, or quotes them in templates; 2 if it may be paused, run again, end early,
-- call a webhook, ignore failures, or have large results elsewhere; 1 if it uses none of this.
local SCHEMA = 3

local function is_newer(schema)
  return tonumber(schema or 1) > SCHEMA
end

-- Raises NEWER before anything is read, changed or dropped: the instance waits for the code that knows it.
local function check(schema)
  if is_newer(schema) then error({ err = 'NEWER ' .. schema }) end
end

-- The instance begins to use what this schema brought. Its own schema never falls.
local function need_schema(number)
  if tonumber(redis.call('HGET', META, 'schema') or 1) < number then redis.call('HSET', META, 'schema', number) end
end

-- Returns the instance, or nil and why not: GONE (no such instance) or CLOSED (it is terminal). Raises NEWER.
-- first: the attempt that a node of this epoch begins with. listed: the status under which the list has the instance.
-- calls: the transitions so far, including this one; they are what the instance has cost. unwell: how many nodes had
-- failed or been skipped before this one.
local function open()
  local v = redis.call('HMGET', META, 'status', 'total', 'running', 'completed', 'failed', 'skipped', 'calls',
    'retention_ms', 'schema')
  if not v[1] then return nil, 'GONE' end
  check(v[9])
  if v[1] ~= 'PENDING' and v[1] ~= 'RUNNING' then return nil, 'CLOSED' end
  local instance = {
    status = v[1], total = tonumber(v[2]), running = tonumber(v[3]), completed = tonumber(v[4]),
    failed = tonumber(v[5]), skipped = tonumber(v[6]), calls = tonumber(v[7] or 0) + 1,
    retention = tonumber(v[8]), listed = v[1], ignored = 0, first = 1,
  }
  instance.unwell = instance.failed + instance.skipped
  if v[9] ~= '1' then -- most instances never have these fields: only others are asked for them
    local r = redis.call('HMGET', META, 'ignored', 'first', 'paused', 'webhook')
    instance.ignored, instance.first = tonumber(r[1] or 0), tonumber(r[2] or 1)
    instance.paused, instance.webhook = r[3] == '1', r[4]
  end
  return instance
end

-- The index holds each instance by the earliest moment at which it must be looked at: a live one because of a node, a
-- terminal one because of what it owes, or to see that it is gone.
local function reindex(id)
  local first = redis.call('ZRANGE', DUE, 0, 0, 'WITHSCORES')
  if first[2] then redis.call('ZADD', INDEX, first[2], id) end
end

-- The list holds all instances by status and id, which begins with its time: PENDING, RUNNING, COMPLETED, FAILED,
-- CANCELLED as P, R, C, F, X.
local function place(status, id)
  return (status == 'CANCELLED' and 'X' or string.sub(status, 1, 1)) .. id
end

local function enlist(id, instance)
  if instance.listed then redis.call('ZREM', LIST, place(instance.listed, id)) end
  redis.call('ZADD', LIST, 0, place(instance.status, id))
end

-- A terminal instance wakes the clients that wait for it, gets its time to live, and stays in the index until that is
-- over.
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

-- `give_up` ends the instance with the failure of a node (lose), unless that node was the last.
local function save(id, instance, now)
  local finished = instance.completed + instance.failed + instance.skipped == instance.total
  if not finished and instance.give_up then return instance.give_up(id, instance, 'FAILED', now) end
  if finished then instance.status = instance.failed > instance.ignored and 'FAILED' or 'COMPLETED' end
  redis.call('HSET', META, 'running', instance.running, 'completed', instance.completed, 'calls', instance.calls)
  if instance.failed + instance.skipped ~= instance.unwell then
    redis.call('HSET', META, 'failed', instance.failed, 'skipped', instance.skipped)
  end
  if finished then
    close(id, instance, now)
  else
    if instance.status ~= instance.listed then
      redis.call('HSET', META, 'status', instance.status)
      enlist(id, instance)
    end
    reindex(id)
  end
end
