-- The one mark of a limit of 1. SET NX was refused, or its reply was lost.
-- KEYS[1]: the key. ARGV: token, interval in milliseconds.
-- Returns {1 for allowed or 0 for denied, requests remaining, milliseconds until the mark is gone}.
local held = redis.call('GET', KEYS[1])
if not held then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return {1, 0, tonumber(ARGV[2])}
end

local ttl = redis.call('PTTL', KEYS[1])
if ttl == -1 or ttl > tonumber(ARGV[2]) then -- a stranger's hand, or a failover to a slower clock
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  ttl = tonumber(ARGV[2])
end
if held == ARGV[1] then
  return {1, 0, ttl + 1}
end
return {0, 0, ttl + 1} -- a key lives on through the millisecond in which its TTL is 0
