-- Begin leases: decide what the last lease left behind, fence it off, and read what the chats remember.
--   KEYS    a chat's hash for each lease
--   ARGV    for each: the lease's token, and the id of the last change that the database has committed for the lane
--   answer  for each: id of the last change carried out, whether there is a hash, whether it was read, its fields
-- A change that waits is committed or never will be: the lease that made it is over, so the database refuses it now.
-- A hash with many fields (a busy group) is not read; its pieces and sessions are asked for by name and person.
local FIELDS_MAX = 48
local answers = {}
for n, key in ipairs(KEYS) do
  local token, committed = ARGV[2 * n + 1], ARGV[2 * n + 2]
  local change = pending(key)
  if change and change[1] == committed then
    carry_out(key, change)
  elseif change then
    redis.call('HDEL', key, '~next')
  end
  local size, found = redis.call('HLEN', key), {}
  if size > 0 then redis.call('HSET', key, '~lease', token) end
  if size > 0 and size <= FIELDS_MAX then
    local all = redis.call('HGETALL', key)
    for at = 1, #all, 2 do
      local kind = string.sub(all[at], 1, 2)
      if kind == 'p:' or kind == 's:' then
        found[#found + 1] = all[at]
        found[#found + 1] = all[at + 1]
      end
    end
  end
  local last = redis.call('HGET', key, '~last') or ''
  answers[n] = {last, size > 0 and 1 or 0, size <= FIELDS_MAX and 1 or 0, found}
end
return answers
