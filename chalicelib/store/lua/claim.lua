-- claim: ready -> RUNNING, for the nodes of one message.
-- Edges: c, l (the instance is paused: nothing begins)
-- Uses: now_ms (now); read, write (record); HELD, open, save (instance)
-- KEYS: META NODES WAITS RESULTS ERRORS DUE DONE HISTORY ARCHIVE INDEX LIST
-- Arguments: owner lease_ms message, then for each node: node attempt n, and n nodes whose results it needs
--   message 1: a message asks for them, which the instance counts; 0: the process that holds them ready asks
-- Returns: OPEN | CLOSED | GONE, params, epoch, the ms for which the node that waited longest was ready (-1: not known;
--   a retry may have waited for its backoff), then for each node {outcome, failures, results...}, where outcome is
--   CLAIMED     the lease is the caller's (again, if it asks twice because an answer got lost)
--   RUNNING     another invocation has the lease: the message came twice
--   PAUSED      it is held back until the instance is resumed
--   SUPERSEDED  this attempt is over
local instance, why = open()
if not instance then return { why, '', '1', -1 } end

local now, answers, waited, i = now_ms(), {}, -1, REST
while i <= #ARGV do
  local node, attempt, needs = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  local record, answer = read(node), { 'SUPERSEDED' }
  if record and record.attempt == attempt then
    if record.status == 'Q' and instance.paused then
      answer[1] = 'PAUSED'
      redis.call('ZADD', DUE, HELD, node)
    elseif record.status == 'Q' then
      if record.failures == 0 then waited = math.max(waited, now - record.queued) end
      record.status, record.started, record.owner = 'R', tostring(now), owner
      write(node, record)
      instance.running = instance.running + 1
      answer[1] = 'CLAIMED'
    elseif record.status == 'R' then
      answer[1] = record.owner == owner and 'CLAIMED' or 'RUNNING'
    end
  end
  if answer[1] == 'CLAIMED' then
    redis.call('ZADD', DUE, now + lease_ms, node)
    answer[2] = record.failures
    for from = i + 3, i + 2 + needs, 1000 do -- unpack takes no more than some 8,000 values
      local results = redis.call('HMGET', RESULTS, unpack(ARGV, from, math.min(from + 999, i + 2 + needs)))
      for k = 1, #results do answer[from - i - 1 + k] = results[k] end
    end
  end
  answers[#answers + 1] = answer
  i = i + 3 + needs
end
if message then redis.call('HINCRBY', META, 'messages', 1) end
if instance.status == 'PENDING' and instance.running > 0 then
  instance.status = 'RUNNING'
  redis.call('HSET', META, 'started_at', now)
end
save(id, instance, now)
local about = redis.call('HMGET', META, 'params', 'epoch')
return { 'OPEN', about[1], about[2] or '1', waited, unpack(answers) }
