-- Marks in groups, at constant memory: a list of the closed groups, oldest first, each "milliseconds from the youngest
-- mark of the group before to its own youngest, marks", and at its end a header, which holds the rest. A group takes
-- marks from its first one on for a 128th of the interval, and ends one interval after its youngest.
-- KEYS[1]: the key. ARGV[1]: the token.
local key, token = KEYS[1], ARGV[1]
local generation = '' -- the first mark's token and instant: tells this list from one that was deleted
local total, closed = 0, 0 -- marks, closed groups
local oldest, held = 0, 0 -- the oldest closed group: when its youngest mark was left, marks
local previous = 0 -- when the youngest mark of all closed groups was left
local group, first, youngest, marks = 0, 0, 0, 0 -- the open one: its number, when its first and its youngest mark were left
local recent = string.rep(' -', 8) -- the last requests, " token:group"; group 0: taken back

local header = redis.call('LINDEX', key, -1)
if header then
  generation, total, closed, oldest, held, previous, group, first, youngest, marks, recent = unpack(cjson.decode(header))
end

-- This request, if it is told of: from where to where, and its group.
local from, to, known = recent:find(' ' .. token .. ':', 1, true)
if from then
  from, to, known = recent:find('^ %d+:(%d+)', from)
  known = tonumber(known)
end

-- remember tells of this request last, in the place of what was told of it before, or of the first one.
local function remember(number)
  if not known then
    from, to = 1, recent:find(' ', 2, true) - 1
  end
  recent = string.format('%s%s %s:%.0f', recent:sub(1, from - 1), recent:sub(to + 1), token, number)
end

local function encode()
  return string.format('["%s",%.0f,%.0f,%.0f,%.0f,%.0f,%.0f,%.0f,%.0f,%.0f,"%s"]',
    generation, total, closed, oldest, held, previous, group, first, youngest, marks, recent)
end

-- at tells of a closed group that is not the oldest.
local function at(place)
  local since, count = redis.call('LINDEX', key, place):match('(%d+) (%d+)')
  return tonumber(since), tonumber(count)
end
