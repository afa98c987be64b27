-- KEYS: meta, entries. ARGV: offsets.
local count = redis.call('XLEN', KEYS[2])
local m = redis.call('HMGET', KEYS[1], 'o', 'r')
local head = tonumber(m[1])
if not head or count == 0 then return redis.status_reply('OK') end
local removed = 0
for _, offset in ipairs(ARGV) do
  local found = redis.call('XRANGE', KEYS[2], offset, offset)[1]
  if found then removed = removed + redis.call('XDEL', KEYS[2], found[1]) end
end
if removed > 0 and not m[2] then
  -- From now on, what is not there was not always dropped.
  redis.call('HSET', KEYS[1], 'r', '1', 'd', string.format('%.0f', head - count))
end
if removed == count then
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[1], 'z', m[1])
end
return redis.status_reply('OK')
