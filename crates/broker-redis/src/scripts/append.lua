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
if count >= most then drop_old() end
if count >= most then
  if ARGV[6] == '1' then
    save()
    return {'full'}
  end
  local out = redis.call('XRANGE', entries, '-', '+', 'COUNT', count - most + 1)
  dropped = offset_of(out[#out][1])
  change('d', text(dropped))
  redis.call('XTRIM', entries, 'MAXLEN', most - 1)
end

head = head + 1
local offset, at = text(head), text(now)
redis.call('XADD', entries, offset .. '-' .. at, 'p', ARGV[8])
change('o', offset)
change('t', at)
-- What was not there had no expiry.
if count == 0 then until_when = 0 end
save()
if event then redis.call('SET', event, birth .. ':' .. offset, 'PX', ARGV[9]) end
local where = struct.pack('>I8I8I8', tonumber(epoch), head, now)
redis.call(ARGV[7], KEYS[3], where .. ARGV[8])
return {epoch, offset, 0}
