-- 16 stow: the result of a running node is too large for here, and is about to be put elsewhere. This is noted first: so what
-- is put there is deleted after the instance, whether it is ever committed or not.
-- KEYS: META NODES WAITS RESULTS ERRORS DUE DONE HISTORY ARCHIVE INDEX LIST
-- ARGV: instance_id node attempt
-- Returns: OPEN | SUPERSEDED | CLOSED | GONE: a result that would be refused need not be put anywhere
local instance, why = open()
if not instance then return { why } end
local record = read(ARGV[2])
if not record or record.status ~= 'R' or record.attempt ~= tonumber(ARGV[3]) then return { 'SUPERSEDED' } end
redis.call('HSET', ARCHIVE, STOWED, 1)
keep_aside(ARCHIVE)
need_schema(2)
return { 'OPEN' }
