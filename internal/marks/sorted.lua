-- The marks of a limit from 2 to 127: a sorted set of them by the last millisecond of each one's life, on Redis's clock.
-- KEYS[1]: the key. ARGV: interval in milliseconds, limit, cost, and a member for each mark; without them it only looks.
-- Returns {1 for allowed or 0 for denied, marks remaining, milliseconds until this cost could pass if none remain}.
local key, interval, limit, cost, token = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local expiry = now + interval

local youngest = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')[2]
if token and youngest and tonumber(youngest) > expiry then -- a stranger's hand, or a failover to a slower clock
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', key, expiry + 1, '+inf')) do
    redis.call('ZADD', key, expiry, member)
  end
end

local count = redis.call('ZCOUNT', key, now, '+inf') -- with those that expire now: never early
local own = token and redis.call('ZSCORE', key, token) -- the command came before, and its reply was lost
local held = own and tonumber(own) >= now
local allowed = held or cost <= limit - count
if allowed and token and not held then
  if redis.call('ZCARD', key) > count then -- what has expired goes first: Redis never packs more than 128 tightly again
    redis.call('ZADD', key, 'XX', expiry, '') -- adds nothing, but a Redis without memory refuses only the first write
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now - 1)
  end
  local added = {}
  for i = 4, #ARGV do
    added[#added + 1] = expiry
    added[#added + 1] = ARGV[i]
  end
  redis.call('ZADD', key, unpack(added))
  redis.call('PEXPIREAT', key, string.format('%.0f', expiry + 1)) -- by the clock read above, if the server paused since
end
if allowed and not held then
  count = count + cost
end

local remaining, wait = math.max(limit - count, 0), 0
if remaining == 0 or not allowed then
  local over = count + cost - limit -- so many have to expire
  local last = redis.call('ZRANGEBYSCORE', key, now, '+inf', 'WITHSCORES', 'LIMIT', over - 1, 1)[2]
  wait = math.min(tonumber(last or expiry), expiry) - now + 1
end
return {allowed and 1 or 0, remaining, wait}
