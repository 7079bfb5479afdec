-- Write pieces of state outside any turn, at once and unfenced. A turn that is about to write one of them writes it no
-- more: what came last wins.
--   KEYS    a chat's hash
--   ARGV    for each piece: its field, '1' to write or '0' to delete it, and its value
local key = KEYS[1]
local change, named = pending(key), {}
for at = 3, #ARGV, 3 do
  named[ARGV[at]] = true
  if ARGV[at + 1] == '1' then redis.call('HSET', key, ARGV[at], ARGV[at + 2]) else redis.call('HDEL', key, ARGV[at]) end
end
if change then
  local left = {}
  for _, command in ipairs(change[2]) do
    if not (command[2] == key and named[command[3]]) then left[#left + 1] = command end
  end
  redis.call('HSET', key, '~next', cmsgpack.pack({change[1], left}))
end
slide(key)
