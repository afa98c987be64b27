-- KEYS: meta, entries. ARGV: offsets.
local ids = {}
for _, offset in ipairs(ARGV) do
  local found = redis.call('XRANGE', KEYS[2], offset, offset)[1]
  if found then redis.call('XDEL', KEYS[2], found[1]) end
end
local head = redis.call('HGET', KEYS[1], 'o')
if head and redis.call('XLEN', KEYS[2]) == 0 and redis.call('DEL', KEYS[2]) == 1 then
  redis.call('HSET', KEYS[1], 'z', head)
end
return redis.status_reply('OK')
