-- The only clock: Redis's own, in milliseconds since 1970. The simulation puts its virtual clock in place of this file.
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
