-- How an instance ends before its nodes do, and what is left of one that has ended.
-- Uses: ASIDE_MS, STOWED, note, in_short (history); close (instance)

-- DUE holds the instance's own time limit under this name, among its nodes; -1 is the trigger.
local TIME_LIMIT = '-2'

-- Starts the time limit now, if the workflow sets one.
local function set_time_limit(now, limit)
  if limit then redis.call('ZADD', DUE, now + limit, TIME_LIMIT) end
end

-- Updates the index for an instance that is not live. Returns OUTBOX, CLOSED, GONE, or LEFT: it is gone, and large
-- results of it are not. Then it stays in the index until these have been deleted.
local function look_at_ended(id, why, now, resend_ms)
  if why == 'GONE' then
    local left = redis.call('HEXISTS', ARCHIVE, STOWED) == 1
    redis.call('DEL', HISTORY, ARCHIVE)
    redis.call('ZREM', LIST, 'P' .. id, 'R' .. id, 'C' .. id, 'F' .. id, 'X' .. id)
    if not left then
      redis.call('ZREM', INDEX, id)
      return why
    end
    redis.call('HSET', ARCHIVE, STOWED, 1)
    redis.call('PEXPIRE', ARCHIVE, ASIDE_MS)
    redis.call('ZADD', INDEX, now + resend_ms, id)
    return 'LEFT'
  end
  local owes, finished, retention = unpack(redis.call('HMGET', META, 'owes', 'finished_at', 'retention_ms'))
  redis.call('ZADD', INDEX, owes and now + resend_ms or finished + retention + 1000, id)
  return owes and 'OUTBOX' or why
end

-- Edge k: ends the instance at once, whatever its nodes do. Those that were not terminal read as CANCELLED from here on:
-- their records are left as they are, so that this takes the same time for 10 nodes as for 10,000.
local function cut(id, instance, status, now, error)
  local finished = instance.completed + instance.failed + instance.skipped
  instance.status = status
  redis.call('HSET', META, 'running', 0, 'completed', instance.completed, 'failed', instance.failed,
    'skipped', instance.skipped, 'cancelled', instance.total - finished)
  if error then redis.call('HSET', META, 'error', error) end
  note(now, { event = status == 'CANCELLED' and 'cancelled' or 'cut off', reason = error and in_short(error) })
  close(id, instance, now)
end
