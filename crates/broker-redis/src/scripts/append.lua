-- KEYS[3] the feed, KEYS[4] the event if there is one.
-- ARGV[5] entries_max, [6] whether it refuses when full, [7] PUBLISH or SPUBLISH, [8] the payload,
-- [9] for how long the event is remembered.
-- Answers {epoch, offset, whether it was there}, or {'full'}.
local event = KEYS[4]
if event then
  local seen = redis.call('GET', event)
  if seen and string.sub(seen, 1, #birth + 1) == birth .. ':' then
    save()
    return {epoch, string.sub(seen, #birth + 2), 1}
  end
end

local most = tonumber(ARGV[5])
if ARGV[6] == '1' and count >= most then
  drop_old()
  if count >= most then
    save()
    return {'full'}
  end
end

head = head + 1
local offset, at = text(head), text(now)
if count < most then
  redis.call('XADD', entries, offset .. '-' .. at, 'p', ARGV[8])
  if has_holes and count == 0 then drop_to(dropped) end
else
  if has_holes then
    local out = redis.call('XRANGE', entries, '-', '+', 'COUNT', count - most + 1)
    drop_to((offset_of(out[#out][1])))
  end
  redis.call('XADD', entries, 'MAXLEN', most, offset .. '-' .. at, 'p', ARGV[8])
end
change('o', offset)
change('t', at)
-- What was not there had no expiry.
if count == 0 then until_when = 0 end
save()
if event then redis.call('SET', event, birth .. ':' .. offset, 'PX', ARGV[9]) end
local where = struct.pack('>I8I8I8', tonumber(epoch), head, now)
redis.call(ARGV[7], KEYS[3], where .. ARGV[8])
return {epoch, offset, 0}
