-- Which life of the log this is. Its meta is a hash:
--   e  the epoch            b  the life of its entries: another one when the meta was lost
--   o  the last offset      t  when that was appended, in ms: never runs backwards
--   r  whether any was removed by itself; if none ever was, what is there is all behind what was dropped
--   d  then, the last offset that was dropped, by number or by age
--   z  the last offset when all that was there had been removed one by one
--   l  the process that vouched for it last, and by which promise: `run:promise`
--   x  until when its keys do not expire
-- KEYS: meta, entries. ARGV: the server's process and promise, a fresh epoch, ttl, for how long positions are kept.
local meta, entries = KEYS[1], KEYS[2]
local ttl, kept = tonumber(ARGV[3]), tonumber(ARGV[4])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function text(number)
  return string.format('%.0f', number)
end

local function offset_of(id)
  local dash = string.find(id, '-', 1, true)
  return tonumber(string.sub(id, 1, dash - 1)), tonumber(string.sub(id, dash + 1))
end

local m = redis.call('HMGET', meta, 'e', 'o', 't', 'd', 'z', 'l', 'b', 'x', 'r')
local epoch, birth = m[1], m[7]
local head, last, has_holes = tonumber(m[2] or 0), tonumber(m[3] or 0), m[9]
local until_when = tonumber(m[8] or 0)
local changes = {}

local function change(field, value)
  changes[#changes + 1] = field
  changes[#changes + 1] = value
end

if not epoch then
  -- Entries without their meta are of nobody.
  redis.call('DEL', entries)
  epoch, birth = ARGV[2], ARGV[2]
  change('e', epoch)
  change('b', birth)
  change('l', ARGV[1])
elseif m[6] ~= ARGV[1] then
  -- What a process holds in its memory it has not lost, whatever this or that node believes that it promises.
  local run, promise = string.match(ARGV[1], '^(.-):(.*)$')
  local former_run, former_promise = string.match(m[6], '^(.-):(.*)$')
  if run ~= former_run then
    change('l', ARGV[1])
    if promise == '' or promise ~= former_promise then
      epoch = ARGV[2]
      change('e', epoch)
    end
  end
end
if now < last then now = last end

local count = redis.call('XLEN', entries)
local dropped = head - count
if has_holes and (count > 0 or tonumber(m[5] or -1) == head) then dropped = tonumber(m[4]) end

local function drop_to(offset)
  dropped = offset
  if has_holes then change('d', text(offset)) end
end

-- Drops what is too old. Times never run backwards, so that a binary search finds where it ends.
local function drop_old()
  local first = redis.call('XRANGE', entries, '-', '+', 'COUNT', 1)[1]
  if not first then return end
  local low, appended = offset_of(first[1])
  if appended + ttl > now then return end
  local high = head + 1
  while low + 1 < high do
    local middle = math.floor((low + high) / 2)
    local found = redis.call('XRANGE', entries, text(middle), '+', 'COUNT', 1)[1]
    local offset, at = high, now
    if found then offset, at = offset_of(found[1]) end
    if found and at + ttl <= now then low = offset else high = middle end
  end
  redis.call('XTRIM', entries, 'MINID', text(low + 1))
  drop_to(low)
  count = redis.call('XLEN', entries)
end

-- Keys are told to expire an eighth of the ttl at a time, not at each append.
local function save()
  if until_when < now + ttl + ttl / 8 then
    until_when = now + ttl + ttl / 4
    redis.call('PEXPIRE', entries, text(math.ceil(ttl + ttl / 4)))
    change('x', text(until_when))
    redis.call('HSET', meta, unpack(changes))
    redis.call('PEXPIRE', meta, text(math.ceil(kept)))
  elseif #changes > 0 then
    redis.call('HSET', meta, unpack(changes))
  end
end
