-- The events of an instance that the records of its nodes do not show: lost and failed attempts, messages sent again,
-- and what users did. The newest HISTORY_MOST entries are kept, as JSON:
-- at (ms), event, node, attempt, owner, queued, started (ms, of that attempt), reason.
local HISTORY_MOST = 1000
local ASIDE_MS = 90 * 86400000

-- HISTORY and ARCHIVE have a time to live from their first entry on, longer than the instance's own, and are deleted
-- when that is over. So they cost nothing in most instances, which have neither, and a release that does not know them
-- leaves none behind.
local function keep_aside(key)
  redis.call('PEXPIRE', key, ASIDE_MS + redis.call('HGET', META, 'retention_ms'))
end

-- A field of ARCHIVE: large results of this instance are kept elsewhere, and must be deleted after it.
local STOWED = 'stowed'

local function note(now, entry)
  entry.at = now
  if redis.call('RPUSH', HISTORY, cjson.encode(entry)) > HISTORY_MOST then
    redis.call('LPOP', HISTORY)
    redis.call('HINCRBY', META, 'forgotten', 1)
  end
  keep_aside(HISTORY)
end

-- Notes what happened to an attempt, before its record changes.
local function note_attempt(now, event, node, record, reason)
  note(now, { event = event, node = tonumber(node), attempt = record.attempt, owner = record.owner,
    queued = tonumber(record.queued), started = tonumber(record.started), reason = reason })
end

-- The first 200 characters of a text. Lua counts bytes, and a text that is cut within a character is not UTF-8: so this
-- counts the bytes that begin a character.
local function beginning(text)
  if type(text) ~= 'string' then return '' end
  local characters = 0
  for at in string.gmatch(text, '()[^\128-\191]') do
    characters = characters + 1
    if characters > 200 then return string.sub(text, 1, at - 1) end
  end
  return text
end

-- The first words of an error, which is JSON {type, message, ...}.
local function in_short(error)
  local fine, parsed = pcall(cjson.decode, error)
  if not fine or type(parsed) ~= 'table' then return nil end
  return beginning(parsed.type) .. ': ' .. beginning(parsed.message)
end
