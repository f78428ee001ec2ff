-- The instance's counters and its place in the shard's index. Every transition opens it, changes it, and saves it.

-- The newest schema that this code knows (keys.SCHEMA). An instance's own is the oldest code that may touch it.
local SCHEMA = 1

local function is_newer(schema)
  return tonumber(schema or 1) > SCHEMA
end

-- Raises NEWER. Then nothing was read, changed or dropped: the instance waits for the code that knows it.
local function check(schema)
  if is_newer(schema) then error({ err = 'NEWER ' .. schema }) end
end

-- Returns the live instance, or nil and why not: GONE (no such instance) or CLOSED (it is terminal). Raises NEWER.
local function open()
  local v = redis.call('HMGET', META, 'status', 'total', 'running', 'completed', 'failed', 'skipped', 'retention_ms',
    'schema')
  if not v[1] then return nil, 'GONE' end
  check(v[8])
  if v[1] ~= 'PENDING' and v[1] ~= 'RUNNING' then return nil, 'CLOSED' end
  return {
    status = v[1], total = tonumber(v[2]), running = tonumber(v[3]), completed = tonumber(v[4]),
    failed = tonumber(v[5]), skipped = tonumber(v[6]), retention = tonumber(v[7]),
  }
end

-- The index holds one entry per live instance: the earliest moment at which somebody must look at one of its nodes.
local function reindex(id)
  local first = redis.call('ZRANGE', DUE, 0, 0, 'WITHSCORES')
  if first[2] then redis.call('ZADD', INDEX, first[2], id) end
end

-- A terminal instance leaves the index, wakes who waits for it, and gets its time to live.
local function close(id, instance)
  redis.call('ZREM', INDEX, id)
  redis.call('DEL', DUE, WAITS)
  redis.call('RPUSH', DONE, instance.status)
  for _, key in ipairs({ META, NODES, RESULTS, ERRORS, DONE }) do
    redis.call('PEXPIRE', key, instance.retention)
  end
end

local function save(id, instance, now)
  local finished = instance.completed + instance.failed + instance.skipped == instance.total
  if finished then instance.status = instance.failed > 0 and 'FAILED' or 'COMPLETED' end
  redis.call('HSET', META, 'status', instance.status, 'running', instance.running, 'completed', instance.completed,
    'failed', instance.failed, 'skipped', instance.skipped)
  if finished then
    redis.call('HSET', META, 'finished_at', now)
    close(id, instance)
  else
    reindex(id)
  end
end
