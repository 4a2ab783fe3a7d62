-- Takes a request's own marks back, and no others. ARGV: token, cost, generation, group.
local cost, number = tonumber(ARGV[2]), tonumber(ARGV[4])
local place = number - (group - closed) -- in the list
if not header or generation ~= ARGV[3] or place < 0 or place > closed or known == 0 then
  return 0 -- deleted, expired, lost in a failover, or taken back before
end
local since, count = 0, marks
if number ~= group then
  count = held
  if place > 0 then
    since, count = at(place)
  end
end
if count < cost then -- a failover lost the marks, and the group holds others
  return 0
end
redis.call('LTRIM', key, 0, -1) -- takes nothing, but a Redis without memory refuses only the first write
total = total - cost
if number == group then
  marks = marks - cost
elseif place == 0 then
  held = held - cost
else
  redis.call('LSET', key, place, string.format('%.0f %.0f', since, count - cost))
end
remember(0)
redis.call('LSET', key, -1, encode())
return 1
