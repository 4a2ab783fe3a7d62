-- The marks of a limit of n: a sorted set of tokens by the millisecond after which each expires, on Redis's clock.
-- KEYS[1]: the key. ARGV: token, interval in milliseconds, limit.
-- Returns {1 for allowed or 0 for denied, requests remaining, milliseconds until the next mark is gone}.
local key, token, interval, limit = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

for _, member in ipairs(redis.call('ZRANGEBYSCORE', key, '(' .. string.format('%.0f', now + interval), '+inf')) do
  redis.call('ZADD', key, now + interval, member) -- a stranger's hand, or a failover to a slower clock
end

local oldest = string.format('%.0f', now) -- those that expire now count: never early
local count = redis.call('ZCOUNT', key, oldest, '+inf')
local own = redis.call('ZSCORE', key, token) -- a retry, because the reply was lost
local allowed = own and tonumber(own) >= now and 1 or 0
if allowed == 0 and count < limit then
  redis.call('ZADD', key, now + interval, token) -- the first write, so that a Redis without memory can refuse it
  count, allowed = count + 1, 1
end
redis.call('ZREMRANGEBYSCORE', key, '-inf', '(' .. oldest)
redis.call('PEXPIRE', key, interval + 1)

local first = math.max(count - limit, 0)
local expiry = redis.call('ZRANGE', key, first, first, 'WITHSCORES')[2]
return {allowed, math.max(limit - count, 0), expiry - now + 1}
