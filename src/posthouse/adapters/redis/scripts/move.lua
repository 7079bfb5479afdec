-- Take what a chat remembers along to its new id (a group that became a supergroup). What the new chat has stays.
--   KEYS    the old chat's hash, the new one's
local old, new = KEYS[1], KEYS[2]
local all = redis.call('HGETALL', old)
for at = 1, #all, 2 do
  if string.sub(all[at], 1, 2) == 'p:' or all[at] == '~last' then
    redis.call('HSETNX', new, all[at], all[at + 1])
    redis.call('HDEL', old, all[at])
  end
end
slide(new)
