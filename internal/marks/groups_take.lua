-- Leaves marks. ARGV: token ('': only looks), interval in milliseconds, limit, cost.
-- Returns {1 for allowed or 0 for denied, marks remaining, milliseconds until this cost could pass if none remain,
-- generation, group}.
local interval, limit, cost = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if not header then
  generation = string.format('%s@%.0f', token, now)
end
local ahead = youngest - now
if ahead > 0 then -- a failover to a slower clock: all marks are moved back so far that the youngest was left now
  oldest, previous, first, youngest = oldest - ahead, previous - ahead, first - ahead, now
end

local alive = now - interval -- what was left then is in its last millisecond: never early
local dropped = 0
if closed == 0 or previous < alive then
  dropped, total = closed, marks
else
  while oldest < alive do
    dropped, total = dropped + 1, total - held
    local since, count = at(dropped)
    oldest, held = oldest + since, count
  end
end
closed = closed - dropped
local opened = group - closed -- the oldest group alive
if youngest < alive then
  total, marks, opened = 0, 0, group + 1
end

local repeated = known and known >= opened -- the command came before, and its reply was lost
local allowed = repeated or cost <= limit - total
local taken = allowed and not repeated and cost or 0
local opens = taken > 0 and now - first >= interval / 128

local remaining, wait = math.max(limit - total - taken, 0), 0
if remaining == 0 or not allowed then
  -- so many have to end (in this order, because a double is exact only up to 2^53), and when the youngest of them was left
  local over, last = total - limit + taken + cost, now
  if over <= total - marks then
    local place = dropped
    over, last = over - held, oldest
    while over > 0 do
      place = place + 1
      local since, count = at(place)
      over, last = over - count, last + since
    end
  elseif over <= total and (opens or taken == 0) then
    last = youngest
  end
  wait = last + interval - now + 1
end

if token ~= '' and (taken > 0 or dropped > 0 or ahead > 0) then
  local closes = opens and youngest >= alive
  if closes then -- all first writes here are such as a Redis without memory refuses
    redis.call('LSET', key, -1, string.format('%.0f %.0f', youngest - previous, marks))
    if closed == 0 then
      oldest, held = youngest, marks
    end
    closed, previous = closed + 1, youngest
  end
  if opens then
    group, first, marks = group + 1, now, 0
  end
  if taken > 0 then
    youngest, marks, total = now, marks + taken, total + taken
    remember(group)
    known = group
  end
  if closes or not header then
    redis.call('RPUSH', key, encode())
  else
    redis.call('LSET', key, -1, encode())
  end
  if dropped > 0 then
    redis.call('LTRIM', key, dropped, -1)
  end
  if opens then
    redis.call('PEXPIREAT', key, string.format('%.0f', now + interval + math.ceil(interval / 128)))
  end
end
return {allowed and 1 or 0, remaining, wait, generation, known or 0}
