-- A record is its revision in eight bytes, and its value.
-- ARGV[1] the revision that is expected, empty for none, [2] the new one, [3] whether there is a value, [4] the value.
-- Answers {1}, or {0} and what is there.
local current = redis.call('GET', KEYS[1])
if (current and string.sub(current, 1, 8) or '') ~= ARGV[1] then return {0, current} end
if ARGV[3] == '1' then
  redis.call('SET', KEYS[1], ARGV[2] .. ARGV[4])
else
  redis.call('DEL', KEYS[1])
end
return {1}
