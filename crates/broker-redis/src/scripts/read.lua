-- ARGV[5] after, [6] entries_max, [7] bytes_max.
-- Answers {epoch, head, whether it is complete, id, payload, id, payload, …}.
if count > 0 then drop_old() end
save()
local after, left, bytes = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local is_complete = 0
if after >= dropped and after <= head then is_complete = 1 end
local page = {epoch, text(head), is_complete}
local used, taken, step = 0, 0, math.min(left, 8)
local from = text(after + 1)
while left > 0 and after < head do
  local found = redis.call('XRANGE', entries, from, '+', 'COUNT', step)
  for _, entry in ipairs(found) do
    local payload = entry[2][2]
    if taken > 0 and used + #payload > bytes then return page end
    page[#page + 1] = entry[1]
    page[#page + 1] = payload
    used = used + #payload
    taken = taken + 1
  end
  if #found < step then return page end
  left = left - #found
  from = '(' .. found[#found][1]
  -- As many as are likely to fit.
  step = math.min(left, 256, math.max(1, math.floor((bytes - used) / (used / taken + 1))))
end
return page
